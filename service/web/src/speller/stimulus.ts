// What the targets of a screen do: they flicker by sines, or flash by a code. A run draws what it is
// told, frame by frame, and marks what is to be marked.

export interface Stimulus {
  /** Whether all targets are shown in one place, one at a time. */
  readonly inOnePlace: boolean;
  /** Heads of the columns of saved frames, one a target. */
  readonly heads: string[];
  /** Begin anew for a run's next onset. */
  begin(): Showing;
  /** Why a display cannot carry it; empty where it can. */
  whyNot(rateHz: number): string;
}

/** What is shown from one onset on. */
export interface Showing {
  /** Luminance of each target, 0 to 1, in a frame that comes `tS` after the onset. */
  frame(tS: number): number[];
  /** Names of the markers of what the last frame began; they are given once. */
  begun(): string[];
}
