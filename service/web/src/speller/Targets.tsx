// The canvas of the targets, or why there are none.
import type { SessionHandle } from "../shared/useSession";
import type { Layout } from "./layout";
import type { Flicker } from "./useFlicker";

export function Targets({ layout, canvas, session, handle }: { layout: Layout | null; canvas: Flicker["canvas"]; session: string | null; handle: SessionHandle }) {
  if (layout) {
    const labels = layout.targets.map((target) => target.label).join(" ");
    return <canvas ref={canvas} class="targets" role="img" aria-label={`${layout.targets.length} targets: ${labels}`} />;
  }
  return (
    <section class="card targets-none">
      <p>{whyNone(session, handle)}</p>
    </section>
  );
}

function whyNone(session: string | null, { hello }: SessionHandle): string {
  if (session === null) return "Choose a session in the console whose decoder tells flickers apart, or try the simulated participant.";
  return hello ? `The decoder of ${session} (${hello.config.decoder.kind}) has no flickering targets.` : "Waiting for the session.";
}
