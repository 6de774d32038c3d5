// What stands around each page: its name and the ways to the others, the link to the service, the
// recording while it is on, the emergency stop by button and by key, notices, and the token.
import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { onTokenNeeded, setToken } from "./api";
import { Held } from "./Held";
import { Notices } from "./notices";

function TokenBar() {
  const [needed, setNeeded] = useState(false);
  const [text, setText] = useState("");
  useEffect(() => onTokenNeeded(() => setNeeded(true)), []);
  if (!needed) return null;
  return (
    <form
      class="card row"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(text);
        location.reload();
      }}
    >
      <label class="grow">
        This service asks for a token:
        <input
          class="grow"
          type="password"
          autocomplete="off"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button class="main" type="submit">
        Use it
      </button>
    </form>
  );
}

const PAGES = [
  ["/", "Start"],
  ["/console", "Console"],
  ["/speller", "Speller"],
  ["/cursor", "Cursor"],
  ["/training", "Training"],
] as const;

export interface FrameProps {
  page: (typeof PAGES)[number][0];
  /** The session in hand, which goes along to the other pages. */
  session: string | null;
  /** How the link to the service stands, and why. */
  link: string;
  linkTone: "good" | "warn" | "bad";
  recording: string | null;
  held: boolean;
  confirmed: boolean;
  onStop: (() => void) | null;
  /** What of this page moves again when the stop is released. */
  moves?: string;
  children: ComponentChildren;
}

export function Frame(props: FrameProps) {
  const { onStop } = props;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.repeat || onStop === null) return;
      event.preventDefault();
      onStop();
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [onStop]);
  const hash = props.session === null ? "" : `#${encodeURIComponent(props.session)}`;
  return (
    <>
      <a class="skip" href="#main">
        To the page's content
      </a>
      <header class="top">
        <strong>Volition</strong>
        <nav aria-label="Pages">
          {PAGES.map(([path, name]) => (
            <a key={path} href={`.${path}${hash}`} aria-current={path === props.page ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <span class={`link grow ${props.linkTone}`} role="status">
          {props.link}
        </span>
        {props.recording !== null && (
          <span class="recording" role="status">
            Recording{props.recording && ` ${props.recording}`}
          </span>
        )}
        <button
          class="estop"
          disabled={onStop === null}
          aria-keyshortcuts="Escape"
          title="Neutral output at once, until released (key: Escape)"
          onClick={() => onStop?.()}
        >
          STOP (Esc)
        </button>
      </header>
      {props.held && props.session !== null && <Held key={props.session} session={props.session} confirmed={props.confirmed} moves={props.moves} />}
      <TokenBar />
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
      <Notices />
    </>
  );
}
