/** A sentence for the visitor: what is wrong, and what to do. */
export class Refusal extends Error {
  refusal = true;
}
