// Package sim holds the simulator: several regions of Meridian on one machine, and what can happen to them. It has no
// code of its own; this page says which room does what.
//
//	  scenarios/…            one file or folder for each drill: data, and a judgement
//	      │
//	  scenario               the engine that plays all of them
//	      │   flags ─▶ start ─▶ load ─────────────▶ settle ─▶ judge ─▶ report ─▶ exit code
//	      │                      └─ steps: faults on a timeline
//	      │
//	  ┌───┴────────┬──────────────┬──────────────┬─────────────────┐
//	cluster       load           check          report          control, cli
//	starts,       shoppers who   holds what     JSON, HTML,     a person does to a running
//	breaks and    arrive when    callers were   JUnit and       simulation what a scenario
//	heals real    the seed       told against   the terminal    does to its own
//	processes     says           what is kept
//	  │            │              │
//	proc          shopper        history
//	wan           what a caller  what callers asked
//	locality      can ask for    and were told
//	topology      internet
//	              which edge a city's callers reach, and how far it is
//
// Nothing in it is part of the product, and the product knows nothing of it: processes are started, stopped and
// configured as an operator would, and callers enter where shoppers do. What stands in for something that a laptop
// cannot have is called a model wherever its figures are shown: locality for CockroachDB, wan for the distance between
// regions, internet for the networks in front of the edges.
//
// A new drill is one file below scenarios and one line in its registry; the example of package scenario is whole.
package sim
