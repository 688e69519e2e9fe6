// Command kata is the workbook's runner, behind the Makefile: `go tool kata help` lists what it does.
package main

import (
	"os"

	"github.com/kubekata/kubekata/harness/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
