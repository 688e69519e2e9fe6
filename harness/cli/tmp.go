package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kubekata/kubekata/harness/workbook"
)

type st struct{ Kubeconfig string }

func (a *App) labUp(ctx context.Context, w *workbook.Workbook) (st, error) { return st{}, nil }
func (a *App) setupCommand() *cobra.Command                                { return &cobra.Command{Use: "setup"} }
func (a *App) doctorCommand() *cobra.Command                               { return &cobra.Command{Use: "doctor"} }
func (a *App) labCommand() *cobra.Command                                  { return &cobra.Command{Use: "lab"} }
func (a *App) kubectlCommand() *cobra.Command                              { return &cobra.Command{Use: "kubectl"} }
