// A short tone at each new cue, for those who keep their eyes closed or on something else.
import { useEffect, useRef } from "preact/hooks";

const LASTS_S = 0.15;
const LOUDNESS = 0.2;
/** Pitches of the classes, in their order. */
const PITCHES_HZ = [330, 440, 550, 660];

/** Sound the tone of a class when it is asked for; null is silent. */
export function useTone(asked: string | null, classes: readonly string[], on: boolean): void {
  const audio = useRef<AudioContext | null>(null);
  useEffect(() => {
    if (!on || asked === null) return;
    audio.current ??= new AudioContext();
    const { current: context } = audio;
    const [oscillator, volume] = [context.createOscillator(), context.createGain()];
    oscillator.frequency.value = PITCHES_HZ[classes.indexOf(asked) % PITCHES_HZ.length] ?? 440;
    volume.gain.value = LOUDNESS;
    oscillator.connect(volume).connect(context.destination);
    oscillator.start();
    oscillator.stop(context.currentTime + LASTS_S);
  }, [asked, on]);
}
