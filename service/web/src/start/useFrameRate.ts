// How many frames a second this display shows, measured once while a page stands still.
import { useEffect, useState } from "preact/hooks";
import { DisplayRate } from "../speller/flicker";

/** Give the rate; null until it is known. */
export function useFrameRate(): number | null {
  const [rateHz, setRateHz] = useState<number | null>(null);
  useEffect(() => {
    const rate = new DisplayRate();
    let asked = requestAnimationFrame(function count(timeMs) {
      rate.add(timeMs);
      if (rate.known) setRateHz(rate.hz);
      else asked = requestAnimationFrame(count);
    });
    return () => cancelAnimationFrame(asked);
  }, []);
  return rateHz;
}
