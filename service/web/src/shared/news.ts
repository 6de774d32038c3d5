// When a page asks the service for what is not urgent: behind news from it, since it has just done its
// work then and has the longest time until it is to do more. A page that asks when it pleases meets,
// now and then or always, the very moment in which a decision is due.
const LONGEST_WAIT_MS = 250;

const waiting = new Set<() => void>();

/** Something has come by a socket. */
export function newsCame(): void {
  for (const act of [...waiting]) act();
}

/** Act once in `periodMs`, behind news or, where none come, without; give what ends it. */
export function everyBehindNews(periodMs: number, act: () => void): () => void {
  let timer: number | undefined;
  const now = () => {
    waiting.delete(now);
    clearTimeout(timer);
    timer = window.setTimeout(due, periodMs);
    act();
  };
  const due = () => {
    waiting.add(now);
    timer = window.setTimeout(now, LONGEST_WAIT_MS);
  };
  timer = window.setTimeout(due, periodMs);
  return () => {
    waiting.delete(now);
    clearTimeout(timer);
  };
}
