// What decodes in the session, what did before, and the models that it could decode by instead.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { useKinds } from "../shared/kinds";
import type { KindList, Manifest, ModelUse, StateView } from "../shared/wire";
import { named, percent } from "../shared/words";

const SAME_RATE = 1e-6;

const reference = (model: Manifest) => (model.origin === "shipped" ? model.name : `${model.name}@${model.version}`);

const namedUse = (use: ModelUse) => named(use.decoder, use.model);

/** Why a model is not for this signal; empty where nothing speaks against it. */
function misfit(model: Manifest, decoder: string, signal: StateView["signal"], { kinds }: KindList): string {
  const trials = (kind: string) => kinds.find((each) => each.family === "decoders" && each.kind === kind)?.trials;
  const [its, ours] = [trials(model.kind), trials(decoder)];
  if (its && ours && its !== ours) return `decodes ${its}, and the session ${ours}`;
  if (kinds.some((each) => each.family === "stages" && each.kind === model.kind)) return "for a stage, not a decoder";
  const { rate_hz: rate, labels, n_channels: channels } = model.input;
  const here = signal as { rate_hz?: number; labels?: string[] } | null | undefined;
  if (!here?.labels || here.rate_hz === undefined) return "";
  if (rate && Math.abs(rate - here.rate_hz) > SAME_RATE * here.rate_hz) return `for ${rate} Hz`;
  if (labels?.length && labels.join("\n") !== here.labels.join("\n")) return `for the channels ${labels.join(", ")}`;
  if (channels && channels !== here.labels.length) return `for ${channels} channels`;
  return "";
}

/** A model's first score that is a plain number, accuracy where there is one. */
function score(model: Manifest): string {
  const found = Object.entries(model.scores ?? {}).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  const [name, value] = found.find(([each]) => each === "accuracy") ?? found[0] ?? ["", 0];
  if (!name) return "–";
  return name === "accuracy" ? percent(value) : `${name.replaceAll("_", " ")} ${value.toPrecision(3)}`;
}

export interface ModelsProps {
  session: string;
  /** Changes with what decodes and with what was made: then all is asked for anew. */
  version: string;
  signal: StateView["signal"];
  live: boolean;
  /** A calibration is being made, of what decodes. */
  calibrating: boolean;
}

export function Models({ session, version, signal, live, calibrating }: ModelsProps) {
  const [models, setModels] = useState<Manifest[]>([]);
  const [uses, setUses] = useState<{ now: ModelUse; earlier: ModelUse[] } | null>(null);
  const [busy, setBusy] = useState(false);
  const installed = useKinds();

  const refresh = useCallback(async () => {
    try {
      setModels((await call("get", "/v1/models")).models);
      setUses(await call("get", "/v1/sessions/{id}/model", { path: { id: session } }));
    } catch (error) {
      tell("warn", sentence(error));
    }
  }, [session]);
  useEffect(() => void refresh(), [refresh, version]);

  const change = async (to: Manifest | null) => {
    setBusy(true);
    try {
      const path = { id: session };
      const use =
        to === null
          ? await call("post", "/v1/sessions/{id}/model/rollback", { path })
          : await call("put", "/v1/sessions/{id}/model", { path, body: { model: reference(to) } });
      tell("good", `${session} decodes by ${namedUse(use)} now.`);
    } catch (error) {
      tell("bad", `Nothing was changed: ${sentence(error)}`);
    } finally {
      setBusy(false);
      await refresh();
    }
  };

  const why = (model: Manifest) => misfit(model, uses?.now.decoder ?? "", signal, installed);
  const fits = models.filter((model) => why(model) === "");
  const others = models.filter((model) => why(model) !== "");
  const before = uses?.earlier[0];
  const fixed = busy || !live || calibrating;
  return (
    <section class="card" aria-labelledby="models-title">
      <div class="row">
        <h2 id="models-title">Models</h2>
        <span class="grow" data-decodes={uses?.now.model ?? ""}>
          {uses && `Decodes by ${namedUse(uses.now)}`}
        </span>
        {before && (
          <button class="small" disabled={fixed} onClick={() => void change(null)}>
            Back to {namedUse(before)}
          </button>
        )}
      </div>
      {calibrating && <p class="soft">A calibration is being made: what decodes is not changed before it has ended.</p>}
      <div class="scroll" tabIndex={0} role="region" aria-label="Models for this signal">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">Decoder</th>
              <th scope="col">Origin</th>
              <th scope="col">Score</th>
              <th scope="col">
                <span class="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {fits.map((model) => (
              <tr key={reference(model)}>
                <th scope="row">
                  {model.name} <span class="soft number">{model.origin === "shipped" ? "" : `${model.number}: ${model.version}`}</span>
                </th>
                <td>{model.kind}</td>
                <td>{model.origin}</td>
                <td>{score(model)}</td>
                <td>
                  {uses?.now.model === reference(model) ? (
                    "decodes"
                  ) : (
                    <button class="small" disabled={fixed} aria-label={`Use ${reference(model)}`} onClick={() => void change(model)}>
                      Use
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {others.length > 0 && (
        <details class="soft">
          <summary>{others.length} that do not fit</summary>
          <ul>
            {others.map((model) => (
              <li key={reference(model)}>
                {reference(model)} ({model.kind}): {why(model)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
