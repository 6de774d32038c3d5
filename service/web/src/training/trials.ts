// Trials of classes: each asks for one, and counts the first command that comes while it lasts.

export interface Trial {
  asked: string;
  /** What was commanded first; null where nothing was. */
  said: string | null;
  tookS: number | null;
}

export interface TrialSettings {
  perClass: number;
  cueS: number;
  trialS: number;
  pauseS: number;
}

export const USUAL: TrialSettings = { perClass: 5, cueS: 0.8, trialS: 5, pauseS: 1 };

/** Give each class equally often, in a random order. */
export function orderOf(classes: readonly string[], perClass: number, random: () => number = Math.random): string[] {
  const asked = classes.flatMap((label) => Array.from({ length: perClass }, () => label));
  for (let i = asked.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [asked[i], asked[j]] = [asked[j]!, asked[i]!];
  }
  return asked;
}

export interface Score {
  right: number;
  wrong: number;
  silent: number;
  /** Median time from the onset to the right command, seconds. */
  tookS: number | null;
}

export function scoreOf(trials: readonly Trial[], rest: string | null): Score {
  // At rest nothing is wanted, so silence is right.
  const isRight = ({ asked, said }: Trial) => (asked === rest ? said === null : said === asked);
  const right = trials.filter(isRight);
  const silent = trials.filter((trial) => trial.said === null && !isRight(trial));
  const times = right.flatMap(({ tookS }) => tookS ?? []).sort((a, b) => a - b);
  return {
    right: right.length,
    wrong: trials.length - right.length - silent.length,
    silent: silent.length,
    tookS: times[Math.floor((times.length - 1) / 2)] ?? null,
  };
}
