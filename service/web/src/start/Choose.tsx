// What to do: the ways that this headset and this display can go, why not the others, and the file
// that says the same to a program.
import { useEffect, useState } from "preact/hooks";
import { stringify } from "yaml";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { saveText } from "../shared/save";
import type { SessionBody } from "../shared/useSimulatedPerson";
import type { Headset } from "./headset";
import { remember } from "./last";
import { useFrameRate } from "./useFrameRate";
import { WAYS, whyNot, type Way } from "./ways";

export function Choose({ headset }: { headset: Headset }) {
  const framesHz = useFrameRate();
  const ways = WAYS.map((way) => [way, whyNot(way, headset, framesHz)] as const);
  const [chosen, setChosen] = useState<Way | null>(null);
  const way = chosen ?? ways.find(([, why]) => why === "")?.[0] ?? null;
  return (
    <section class="card" aria-labelledby="choose-title">
      <h2 id="choose-title">What shall be done?</h2>
      <ul class="choices" aria-label="Ways">
        {ways.map(([each, why]) => (
          <li key={each.name}>
            <button aria-pressed={each === way} disabled={why !== ""} onClick={() => setChosen(each)} data-way={each.name}>
              <b>{each.title}</b>
              <span>{each.about}</span>
              {why ? <span>Not now: {why}.</span> : <span>{each.before}</span>}
            </button>
          </li>
        ))}
      </ul>
      {way === null ? <p class="warn">Nothing can be done with this headset as it is.</p> : <Begin key={way.name} way={way} headset={headset} />}
    </section>
  );
}

function Begin({ way, headset }: { way: Way; headset: Headset }) {
  const [config, setConfig] = useState<SessionBody | null>(null);
  const [recorded, setRecorded] = useState(false);
  const [making, setMaking] = useState(false);
  useEffect(() => {
    way
      .session(headset)
      .then(setConfig)
      .catch((error: unknown) => tell("bad", sentence(error)));
  }, [way, headset]);
  const whole = config && recorded ? ({ ...config, outputs: [{ kind: "record" }] } as unknown as SessionBody) : config;

  const begin = async () => {
    if (whole === null) return;
    setMaking(true);
    try {
      await go(way, whole, headset);
    } catch (error) {
      tell("bad", `It could not begin: ${sentence(error)}`);
      setMaking(false);
    }
  };
  return (
    <>
      <div class="row">
        <button class="main" disabled={whole === null || making} onClick={() => void begin()}>
          {making ? "Beginning…" : "Begin"}
        </button>
        <label>
          <input type="checkbox" checked={recorded} onChange={(event) => setRecorded(event.currentTarget.checked)} />
          Record the signal
        </label>
      </div>
      {whole && <TheFile name={way.name} config={whole} />}
    </>
  );
}

/** Make the session, remember it for the next time, and go where it is used. */
async function go(way: Way, config: SessionBody, headset: Headset): Promise<void> {
  const made = await call("post", "/v1/sessions", { body: config });
  remember({ way: way.name, config, headset: headset.stream.name, person: headset.person?.kind ?? null });
  location.assign(`./${way.page}#${encodeURIComponent(made.id)}`);
}

function TheFile({ name, config }: { name: string; config: SessionBody }) {
  const text = stringify(config);
  return (
    <details>
      <summary>Show the file</summary>
      <p class="soft">
        <code>volition serve --session {name}.yaml</code> begins the same without this page.
      </p>
      <pre class="file-text" tabIndex={0} aria-label="The session's file">
        {text}
      </pre>
      <button class="small" onClick={() => saveText(`${name}.yaml`, "text/yaml", text)}>
        Save it
      </button>
    </details>
  );
}
