// Package e2e runs the built programs as a person would: whole simulations, and README's commands against them.
package e2e
