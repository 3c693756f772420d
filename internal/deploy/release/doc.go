// Package release holds what builds a release to itself: GoReleaser's configuration, the Dockerfiles, the Makefile and the
// workflow name the same stamps, flags and versions, and the build gives the same bytes twice. All of it is in its tests.
package release
