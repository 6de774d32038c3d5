// The canvas of the targets, or why there are none.
import type { SessionHandle } from "../shared/useSession";
import type { Layout } from "./layout";
import type { Flicker } from "./useFlicker";

export function Targets({ layout, canvas, session, handle }: { layout: Layout | null; canvas: Flicker["canvas"]; session: string | null; handle: SessionHandle }) {
  if (layout) {
    return <canvas ref={canvas} class="targets" role="img" aria-label={`${layout.labels.length} targets: ${layout.labels.join(" ")}`} />;
  }
  return (
    <section class="card targets-none">
      <p>{whyNone(session, handle)}</p>
    </section>
  );
}

function whyNone(session: string | null, { hello }: SessionHandle): string {
  if (session === null) return "Choose a session in the console whose decoder tells flickers or flashes apart, or try the simulated participant.";
  return hello ? `The decoder of ${session} (${hello.config.decoder.kind}) has no targets that flicker or flash.` : "Waiting for the session.";
}
