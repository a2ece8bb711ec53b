// Run by the widget Rating (nbs/09a_rating.ipynb): keys press the buttons of the study that was clicked last.
if (!window.letthereStudy) {
  let here = null;
  const keys = { y: "yes", Y: "yes", ArrowRight: "yes", n: "no", N: "no", ArrowLeft: "no" };
  const ours = (e) => here?.isConnected && keys[e.key] && e.target.tagName !== "INPUT";
  const choose = (e) => {
    here = e.target.closest(".letthere-study");
  };
  const press = (e) => {
    if (!ours(e) || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    e.stopImmediatePropagation(); // of the notebook's own shortcuts
    if (!e.repeat) here.querySelector(".letthere-" + keys[e.key]).click();
  };
  addEventListener("click", choose, true);
  addEventListener("keydown", press, true);
  window.letthereStudy = true;
}
