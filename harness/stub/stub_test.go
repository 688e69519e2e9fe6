package stub_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/kubekata/kubekata/harness/stub"
)

var update = flag.Bool("update", false, "write what the generator makes into testdata")

// TestGenerate turns each testdata/*.txtar's first file into a stub: its second file, or the text of its error.
func TestGenerate(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) < 10 {
		t.Fatalf("%d archives, %v", len(archives), err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := archive.Files[0]
			got, err := stub.Generate(in.Name, in.Data)
			name := "stub"
			if err != nil {
				name, got = "error", []byte(err.Error()+"\n")
			}
			if *update {
				archive.Files = []txtar.File{in, {Name: name, Data: got}}
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(archive.Files) != 2 {
				t.Fatal("the archive has no expectation: run with -update and read what it writes")
			}
			want := archive.Files[1]
			if want.Name != name || string(want.Data) != string(got) {
				t.Errorf("%s:\n%s\nwant %s:\n%s", name, got, want.Name, want.Data)
			}
		})
	}
}

func TestCleanRemovesMarkersAndTheirText(t *testing.T) {
	in := "package p\n\nfunc F() {\n\t// kata:begin Do it.\n\t// | And well.\n\t// why\n\twork()\n\t// kata:stub _ = 1\n\t// kata:end\n}\n"
	want := "package p\n\nfunc F() {\n\t// why\n\twork()\n}\n"
	if got := string(stub.Clean([]byte(in))); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
