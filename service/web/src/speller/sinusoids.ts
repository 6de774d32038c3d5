// Targets that flicker: each one's luminance is (1 + sin(2 pi f t + phase)) / 2, sampled at the moment
// that the display gives each frame, with t counted from the onset. So the frequency is right whatever
// the display's rate, a frame that is late shows what belongs to its moment, and one that was dropped
// shifts nothing.
import type { Showing, Stimulus } from "./stimulus";

/** Frames a period that a sine needs to be one; below, harmonics and beats take over. */
const LEAST_PER_PERIOD = 2.5;

export interface Sinusoid {
  freqHz: number;
  phaseRad: number;
}

export class Sinusoids implements Stimulus {
  readonly inOnePlace = false;

  constructor(readonly of: Sinusoid[]) {}

  get heads(): string[] {
    return this.of.map(({ freqHz, phaseRad }) => `${freqHz}Hz_${phaseRad.toFixed(6)}`);
  }

  begin(): Showing {
    return { frame: (tS) => this.of.map((one) => luminance(one, tS)), begun: () => [] };
  }

  whyNot(rateHz: number): string {
    const highest = Math.max(...this.of.map(({ freqHz }) => freqHz));
    if (rateHz >= LEAST_PER_PERIOD * highest) return "";
    return `this display shows ${rateHz.toFixed(1)} frames a second; ${highest} Hz needs ${(LEAST_PER_PERIOD * highest).toFixed(0)}`;
  }
}

export function luminance({ freqHz, phaseRad }: Sinusoid, tS: number): number {
  return (1 + Math.sin(2 * Math.PI * freqHz * tS + phaseRad)) / 2;
}
