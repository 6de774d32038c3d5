// What a session can be made of, each with settings that run, to copy into a configuration.
import { useState } from "preact/hooks";
import { sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { useKinds } from "../shared/kinds";
import type { KindView } from "../shared/wire";

const SHOWN = { stages: "Stages", decoders: "Decoders", outputs: "Outputs" } as const;
const OWN = "volition";

export function Kinds() {
  const installed = useKinds();
  const [chosen, setChosen] = useState("");
  const named = (each: KindView) => `${each.family} ${each.kind}`;
  const kind = installed.kinds.find((each) => named(each) === chosen);
  const copy = (text: string) =>
    navigator.clipboard
      .writeText(text)
      .then(() => tell("good", `The example of ${kind?.kind} was copied.`))
      .catch((error: unknown) => tell("bad", sentence(error)));
  return (
    <details class="soft">
      <summary>What it can be made of</summary>
      <div class="row">
        <label class="grow">
          Part
          <select class="grow" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
            <option value="">–</option>
            {Object.entries(SHOWN).map(([family, title]) => (
              <optgroup key={family} label={title}>
                {installed.kinds
                  .filter((each) => each.family === family)
                  .map((each) => (
                    <option key={named(each)} value={named(each)}>
                      {each.kind}
                    </option>
                  ))}
              </optgroup>
            ))}
          </select>
        </label>
        {kind?.example && <button onClick={() => void copy(kind.example ?? "")}>Copy</button>}
      </div>
      {kind && (
        <p>
          {kind.summary}
          {kind.distribution !== OWN && ` (from ${kind.distribution})`}
        </p>
      )}
      {kind?.example && <pre data-example={kind.kind}>{kind.example}</pre>}
      {installed.broken.map((each) => (
        <p class="bad" key={`${each.group} ${each.name} ${each.error}`}>
          {each.distribution} cannot be used: {each.error}
        </p>
      ))}
    </details>
  );
}
