// Command codegen makes the generated code again, from the types: make run KATA=codegen.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubekata/kubekata/harness/workbook"
	"github.com/kubekata/kubekata/katas/stage3/02-codegen/generate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	w, err := workbook.Find(here)
	if err != nil {
		return err
	}
	var failed error
	for _, step := range generate.Steps() {
		fmt.Printf("go tool %s %s\n", step.Tool, strings.ReplaceAll(strings.Join(step.Args, " "), generate.Module, "…"))
		failed = errors.Join(failed, again(ctx, w.Root, step))
	}
	return failed
}

// again runs one generator. What it has made before is put aside, and comes back when it fails, or makes nothing.
func again(ctx context.Context, root string, step generate.Step) error {
	aside, err := os.MkdirTemp(filepath.Join(root, filepath.FromSlash(generate.Dir)), ".before-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(aside)
	for _, made := range step.Makes {
		if err := move(filepath.Join(root, generate.Dir, made), filepath.Join(aside, filepath.Base(made))); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", step.Tool}, step.Args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	failed := cmd.Run()
	if failed != nil {
		failed = fmt.Errorf("%s: %w", step.Tool, failed)
	}
	for _, made := range step.Makes {
		path := filepath.Join(root, generate.Dir, made)
		if _, err := os.Stat(path); err == nil && failed == nil {
			continue
		}
		if failed == nil {
			failed = fmt.Errorf("%s has made no %s: it has not found the tag that it looks for", step.Tool, made)
		}
		if err := os.RemoveAll(path); err != nil {
			return errors.Join(failed, err)
		}
		failed = errors.Join(failed, move(filepath.Join(aside, filepath.Base(made)), path))
	}
	return failed
}

// move renames a file or folder, if there is one.
func move(from, to string) error {
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
