// The last intents, newest first.
import type { Intent } from "../shared/wire";

export function Intents({ intents }: { intents: Intent[] }) {
  return (
    <section class="card" aria-labelledby="intents-title">
      <h2 id="intents-title">Intents</h2>
      {intents.length === 0 ? (
        <p class="soft">None has come yet.</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="The last intents, newest first">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  No.
                </th>
                <th scope="col">Kind</th>
                <th scope="col">What</th>
              </tr>
            </thead>
            <tbody>
              {intents.map((intent) => (
                <tr key={`${intent.epoch}-${intent.seq}`} class={intent.kind}>
                  <td class="number">{intent.seq}</td>
                  <td>{intent.kind}</td>
                  <td>{describe(intent)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function describe(intent: Intent): string {
  switch (intent.kind) {
    case "selection":
      return `${intent.label} (${Math.round((intent.confidence ?? 0) * 100)} %)`;
    case "class":
      return intent.label;
    case "cursor":
      return intent.velocity.map((value) => (value ?? 0).toFixed(2)).join(", ");
    case "idle":
      return intent.reason;
    case "click":
      return "";
  }
}
