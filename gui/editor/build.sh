#!/bin/sh
# Bundles the policy editor. Only needed after a change here; the bundle is part of the repository.
set -eu
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --ignore-scripts
npm rebuild esbuild
npx esbuild editor.js --bundle --minify --format=iife --target=es2022 --legal-comments=none --outfile=../assets/editor.js
cat node_modules/@codemirror/view/LICENSE >../assets/licences/codemirror.txt
