// Calibrations of one person, from the first to the newest: the versions of the model that decodes.
import { useEffect, useState } from "preact/hooks";
import { call } from "../shared/api";
import type { Manifest } from "../shared/wire";
import { percent } from "../shared/words";

export function Progress({ model }: { model: string | null }) {
  const [versions, setVersions] = useState<readonly Manifest[]>([]);
  const name = model?.split("@")[0] ?? null;
  useEffect(() => {
    if (name === null) return setVersions([]);
    call("get", "/v1/models/{name}", { path: { name } })
      .then((found) => setVersions(found.versions))
      .catch(() => setVersions([])); // the model is a file, and not of the registry
  }, [model]);
  if (!versions.length) return null;
  return (
    <section class="card" aria-labelledby="progress-title">
      <h2 id="progress-title">Calibrations of {name}</h2>
      <div class="versions" tabIndex={0} role="region" aria-label={`Versions of ${name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">version</th>
              <th scope="col">made</th>
              <th scope="col" class="number">
                trials
              </th>
              <th scope="col" class="number">
                accuracy
              </th>
              <th scope="col" class="number">
                guessing
              </th>
            </tr>
          </thead>
          <tbody>
            {versions.map((each) => (
              <tr key={each.version}>
                <td>
                  {each.version}
                  {model === `${each.name}@${each.version}` && " (decodes)"}
                </td>
                <td>{new Date(1000 * each.made_utc).toLocaleString()}</td>
                <td class="number">{each.training.n_trials ?? "–"}</td>
                <td class="number">{share(each, "accuracy")}</td>
                <td class="number">{share(each, "chance_bound")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function share({ scores }: Manifest, name: string): string {
  const found = (scores as Record<string, unknown>)[name];
  return typeof found === "number" ? percent(found) : "–";
}
