// Package tidy holds the rules that this repository keeps about itself and that no linter knows: imports between
// rooms, links, generated files, words, and documents that must say what the code says. Each rule is a pure function over
// files and so is tested by planting a violation; this package's tests apply all of them to every file that git knows
// or would add. Sizes, the form of comments, names of packages and reminders are the linters' business (.golangci.yml).
package tidy
