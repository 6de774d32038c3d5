// What decodes, when it decides, and the way back to what decoded before.
import type { EarlierModel } from "../shared/useEarlierModel";
import { decoderOf, type SessionHandle } from "../shared/useSession";
import { named } from "../shared/words";
import type { Layout } from "./layout";

export function Decodes({ handle, layout, earlier, fixed }: { handle: SessionHandle; layout: Layout; earlier: EarlierModel; fixed: boolean }) {
  const decoder = decoderOf(handle);
  if (!decoder) return null;
  return (
    <div class="row soft">
      <span data-model={decoder.model ?? ""}>Decodes by {named(decoder.kind, decoder.model)}</span>
      <span>
        {layout.soonestS < layout.longestS
          ? `decides ${layout.soonestS.toFixed(2)} to ${layout.longestS.toFixed(2)} s after the onset, as soon as it is sure`
          : `decides ${layout.longestS.toFixed(2)} s after the onset`}
      </span>
      {earlier.name !== null && (
        <button class="small" onClick={earlier.goBack} disabled={fixed}>
          Back to {earlier.name}
        </button>
      )}
    </div>
  );
}
