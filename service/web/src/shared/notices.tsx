// What a page tells the person for a while.
import { useEffect, useState } from "preact/hooks";

export type Tone = "info" | "good" | "warn" | "bad";

interface Notice {
  id: number;
  tone: Tone;
  text: string;
}

const SHOWN_MS: Record<Tone, number> = { info: 6000, good: 6000, warn: 15000, bad: 30000 };
const MOST_NOTICES = 4;

let nextNotice = 1;
let notices: Notice[] = [];
let redraw: ((notices: Notice[]) => void) | null = null;

function show(changed: Notice[]): void {
  notices = changed;
  redraw?.(notices);
}

/** Tell the person something for a while; what is said again at once is said once. */
export function tell(tone: Tone, text: string): void {
  const id = nextNotice++;
  show([...notices.filter((n) => n.text !== text), { id, tone, text }].slice(-MOST_NOTICES));
  setTimeout(() => show(notices.filter((notice) => notice.id !== id)), SHOWN_MS[tone]);
}

export function Notices() {
  const [shown, setShown] = useState(notices);
  useEffect(() => {
    redraw = setShown;
    return () => {
      redraw = null;
    };
  }, []);
  return (
    <div class="notices" role="log" aria-live="polite" aria-label="Notices">
      {shown.map((notice) => (
        <div key={notice.id} class={`notice ${notice.tone}`}>
          <span class="grow">{notice.text}</span>
          <button
            class="small"
            aria-label="Close this notice"
            onClick={() => show(notices.filter((other) => other.id !== notice.id))}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
