// What the decoder thinks, and its intents. Intents come far more often than all else: they are taken
// past the page's other parts, which so are not drawn anew for each.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Redraw } from "../shared/drawing";
import type { Intent, StateView } from "../shared/wire";
import { Evidence, OwnState } from "./Decoder";
import { Intents } from "./Intents";

const SHOWN_INTENTS = 40;
/** Intents come up to a hundred times a second; a person reads them far more slowly. */
const DRAW_EVERY_MS = 200;

/** Whether an intent shows what the decoder thinks: an idle one does where it comes with evidence. */
function tellsSomething(intent: Intent): boolean {
  return intent.kind !== "idle" || Object.keys(intent.evidence ?? {}).length > 0;
}

export interface DecidedProps {
  kind: string | null;
  state: StateView | null;
  /** Is given what takes each intent. */
  take: RefObject<((intent: Intent) => void) | null>;
}

export function Decided(props: DecidedProps) {
  const [intents, setIntents] = useState<Intent[]>([]);
  useEffect(() => {
    let last: Intent[] = [];
    const redraw = new Redraw(() => setIntents(last), DRAW_EVERY_MS, true);
    props.take.current = (intent) => {
      last = [intent, ...last.slice(0, SHOWN_INTENTS - 1)];
      redraw.ask();
    };
    return () => {
      props.take.current = null;
      redraw.stop();
    };
  }, []);
  return (
    <>
      <section class="card" aria-labelledby="decoder-title">
        <h2 id="decoder-title">Decoder {props.kind && <span class="soft">{props.kind}</span>}</h2>
        <Evidence intent={intents.find(tellsSomething) ?? intents[0] ?? null} />
        <OwnState state={props.state} />
      </section>
      <Intents intents={intents} />
    </>
  );
}
