// What must not be shown: the paths that the instance calls secret, and new ones until it was asked.

/** What stands in the place of a secret. */
export const MASK = "***";

const covers = (above, path) => above === "" || path === above || path.startsWith(`${above}.`);

export class Secrets {
  #paths;
  #doubted = new Set();

  /** Whether the instance has told. */
  get areKnown() {
    return this.#paths !== undefined;
  }

  /** Something new stands at a path: it may be secret. */
  doubt(path) {
    this.#doubted.add(path);
  }

  /** Begins a question: what it gives takes the answer, a list of paths, and tells whether it differs from before. */
  ask() {
    const asked = [...this.#doubted];
    return (paths = []) => {
      const differs = asked.length > 0 || String(this.#paths) !== String(paths);
      this.#paths = [...paths];
      for (const path of asked) this.#doubted.delete(path);
      return differs;
    };
  }

  has(path) {
    if (!this.areKnown) return true;
    return [...this.#paths, ...this.#doubted].some((above) => covers(above, path));
  }

  /** Whether a path is secret, or something below it is. */
  touches(path) {
    return this.has(path) || [...this.#paths, ...this.#doubted].some((below) => covers(path, below));
  }

  /** A value as it may be shown. */
  shown(path, value) {
    return value === undefined || value === null || !this.touches(path) ? value : MASK;
  }
}
