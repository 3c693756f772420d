// Command etcd is etcd's own server under its own name: its module ends in a folder named server.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
