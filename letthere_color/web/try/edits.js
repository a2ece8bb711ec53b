// The hints of one photo, with a way back and a way forth. A state is {hints, selected}, and is never changed.

const EMPTY = { hints: [], selected: -1 };

export class Edits {
  #past = [];
  #future = [];
  #settled = EMPTY; // the last state that one can come back to
  now = EMPTY;

  /** Show a state; one can't come back to it before it is settled. */
  show(hints, selected = this.now.selected) {
    this.now = { hints, selected };
  }

  /** What was shown is meant. */
  settle() {
    if (this.now.hints !== this.#settled.hints) {
      this.#past.push(this.#settled);
      this.#future = [];
    }
    this.#settled = this.now;
  }

  /** What was shown is not meant. */
  drop() {
    this.now = this.#settled;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    this.#move(this.#past, this.#future);
  }

  redo() {
    this.#move(this.#future, this.#past);
  }

  #move(from, to) {
    if (!from.length) return;
    to.push(this.#settled);
    this.now = this.#settled = from.pop();
  }
}
