// Times contenders in turn, round after round, so that a slow moment of the machine hits them alike.
export const SIZES = (process.env.SIZES ?? "small,medium,large").split(",");
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const SLOT_US = 50_000;

// The CPU time of the process, its collector and compiler threads included.
const now = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
export const median = (figures) => [...figures].sort((a, b) => a - b)[figures.length >> 1];
const shown = (us) => us.toLocaleString("en", { maximumFractionDigits: us < 100 ? 2 : 0 });

/** Prints the median CPU time of one call of each, and the median of its ratios to the first, round by round. */
export function compare(what, contenders) {
  const jobs = Object.entries(contenders).map(([name, job]) => {
    const [run, note] = Array.isArray(job) ? job : [job, ""];
    // The compiler settles first; its thread would count for the first round.
    const settled = performance.now() + 100;
    let calls = 0;
    const began = performance.now();
    do {
      run();
      calls += 1;
    } while (performance.now() < settled);
    const once = ((performance.now() - began) / calls) * 1000;
    return { name, run, note, repeats: Math.max(1, Math.ceil(SLOT_US / once)), times: [] };
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const job of jobs) {
      globalThis.gc?.();
      const began = now();
      for (let at = 0; at < job.repeats; at += 1) job.run();
      job.times.push((now() - began) / job.repeats);
    }
  }
  console.log(what);
  for (const { name, note, times } of jobs) {
    const ratio = median(times.map((own, round) => own / jobs[0].times[round]));
    console.log(`  ${name.padEnd(44)} ${shown(median(times)).padStart(13)} µs ${ratio.toFixed(2).padStart(8)}  ${note}`);
  }
}
