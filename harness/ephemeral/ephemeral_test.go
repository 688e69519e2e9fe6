package ephemeral_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kubekata/kubekata/harness/binaries"
	"github.com/kubekata/kubekata/harness/ephemeral"
)

func TestSweepTakesTheDeadAlone(t *testing.T) {
	t.Setenv(binaries.CacheEnv, t.TempDir())
	if err := ephemeral.Sweep(); err != nil {
		t.Fatalf("nothing was ever made: %v", err)
	}
	dir, done, err := ephemeral.New()
	if err != nil {
		t.Fatal(err)
	}
	// What a killed go command leaves: files in a folder whose lock nobody holds.
	dead := filepath.Join(filepath.Dir(dir), "123", "go-build456")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dead), "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ephemeral.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(dead)); !os.IsNotExist(err) {
		t.Errorf("what a dead process left is still there: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the folder of a live process is gone: %v", err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("done left the folder: %v", err)
	}
}
