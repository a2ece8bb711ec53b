// What the page says of the frame around a picture.

/** Was one found, what was chosen (auto or none), and how many hints lie on it? */
export function frameNote(framed, choice, hints) {
  if (!framed) return "None was found: the picture goes to the edge.";
  if (choice === "none") return "One was found; it is coloured, too.";
  if (!hints) return "One was found; it stays grey.";
  const there = hints === 1 ? "a hint on it changes" : `${hints} hints on it change`;
  return `One was found; it stays grey, and ${there} nothing.`;
}
