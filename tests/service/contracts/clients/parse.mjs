// Read an AsyncAPI document by the official parser: node parse.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((one) => one.severity === ERROR);
for (const one of errors) console.log(one.path.join("."), one.message);
process.exitCode = document === undefined || errors.length > 0 ? 1 : 0;
