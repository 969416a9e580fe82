// Cases about whole replicas; `tests/src/replicas.rs` says what the steps are. Bytes are texts of hexadecimal digits.

const bytes = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const digits = (given) => Array.from(given, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Plays the steps of a case with one build's class. */
export function playReplicas(Replica, { steps, genesis, rules = null }) {
  const replicas = {};
  const sent = [];
  const play = {
    found: ({ id }) => new Replica(rules, { id: bytes(id), genesis: bytes(genesis) }),
    fork: ({ from, id }) => replicas[from].fork({ id: bytes(id) }),
    load: ({ from, id }) => Replica.load(replicas[from].save(), rules, { id: bytes(id) }),
    set: ({ at, path, value, ms }) => void replicas[at].set(path, value, { wallMs: ms }),
    resolve: ({ at, path, value, ms }) => void replicas[at].resolve(path, value, { wallMs: ms }),
    unset: ({ at, path, ms }) => void replicas[at].unset(path, { wallMs: ms }),
    settle: ({ at }) => void replicas[at].settle(),
    send({ from, at, ms }) {
      const delta = replicas[from].delta(replicas[at].version());
      sent.push({ delta: digits(delta), changes: replicas[at].apply(delta, { wallMs: ms }) });
    },
  };
  for (const step of steps) {
    if (!Object.hasOwn(play, step.do)) throw new Error(`unknown step ${step.do}`);
    const made = play[step.do](step);
    if (made !== undefined) replicas[step.at] = made;
  }
  const state = (replica) => ({
    value: replica.value, conflicts: replica.conflicts(), version: digits(replica.version()), saved: digits(replica.save()),
  });
  return { replicas: Object.fromEntries(Object.entries(replicas).map(([name, replica]) => [name, state(replica)])), sent };
}

/** Loads what `saved` holds and applies `deltas` to it. */
export function readDeltas(Replica, { saved, deltas, ms }) {
  const replica = Replica.load(bytes(saved), null, { id: new Uint8Array(16).fill(255) });
  const changes = deltas.map((delta) => replica.apply(bytes(delta), { wallMs: ms }));
  return { value: replica.value, conflicts: replica.conflicts(), changes, saved: digits(replica.save()) };
}
