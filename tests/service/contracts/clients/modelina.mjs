// Write an AsyncAPI document's models as TypeScript and as C#: node modelina.mjs FILE FOLDER
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CSharpGenerator, TypeScriptGenerator } from "@asyncapi/modelina";

const [file, folder] = process.argv.slice(2);
const document = JSON.parse(readFileSync(file, "utf8"));

function write(models, ending) {
  mkdirSync(join(folder, ending), { recursive: true });
  for (const { modelName, result } of models) {
    writeFileSync(join(folder, ending, `${modelName}.${ending}`), result);
  }
}

const typescript = new TypeScriptGenerator({ modelType: "interface", moduleSystem: "ESM" });
write(await typescript.generateCompleteModels(document, { exportType: "named" }), "ts");
const csharp = new CSharpGenerator();
write(await csharp.generateCompleteModels(document, { namespace: "Volition" }), "cs");
