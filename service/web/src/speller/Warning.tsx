// The warning that the page flickers: nothing is shown that could before somebody has accepted it.
import { useState } from "preact/hooks";

const ACCEPTED = "volition-flicker-accepted";

/** Whether the warning was accepted in this tab, and what accepts it. */
export function useAccepted(): [boolean, () => void] {
  const [accepted, setAccepted] = useState(() => sessionStorage.getItem(ACCEPTED) === "yes");
  const accept = () => {
    sessionStorage.setItem(ACCEPTED, "yes");
    setAccepted(true);
  };
  return [accepted, accept];
}

export function Warning({ onAccept }: { onAccept: () => void }) {
  return (
    <section class="card warning" aria-labelledby="warning-title">
      <h2 id="warning-title">This page flickers</h2>
      <p>
        Large parts of the screen flicker 8 to 16 times a second, or flash up to 30 times. In people with
        photosensitive epilepsy this can cause a seizure, also in some who never had one. Do not go on if you
        or somebody who sees the screen may be photosensitive, and stop at once (Esc) at discomfort, twitching
        or a headache.
      </p>
      <button class="main" onClick={onAccept}>
        I have read this; everyone who sees the screen may see flicker
      </button>
    </section>
  );
}
