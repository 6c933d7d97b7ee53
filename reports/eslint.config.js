import { readdirSync, readFileSync } from "node:fs";

import js from "@eslint/js";

// The page's scripts share one closure: each may use what another declares at its top level. So a rule on unused names
// has to look at all of them, and tsc checks that a name exists.
const folder = `${import.meta.dirname ?? "."}/scripts`;
const everything = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, "utf-8")).join("\n");

/** Names that no script uses. */
const unused = {
  meta: { type: "problem", messages: { unused: "'{{name}}' is declared and used in no script." }, schema: [] },
  create: (context) => ({
    Program(program) {
      for (const node of program.body) {
        const declared = node.type === "VariableDeclaration" ? node.declarations : [node];
        for (const { id } of declared.filter((one) => one.id?.type === "Identifier")) {
          if (everything.match(new RegExp(`\\b${id.name}\\b`, "g")).length < 2) {
            context.report({ node: id, messageId: "unused", data: { name: id.name } });
          }
        }
      }
    },
  }),
};

export default [
  js.configs.recommended,
  {
    files: ["scripts/*.js"],
    plugins: { page: { rules: { unused } } },
    languageOptions: { sourceType: "script", ecmaVersion: 2022 },
    rules: {
      "no-undef": "off", // see above
      "no-unused-vars": ["error", { vars: "local" }],
      "page/unused": "error",
      curly: "error",
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
      "max-len": ["error", { code: 132 }],
      "max-lines": ["error", 500],
    },
  },
];
