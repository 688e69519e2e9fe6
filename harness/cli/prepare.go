package cli

import (
	"context"

	"github.com/kubekata/kubekata/harness/workbook"
)

func (a *App) prepare(ctx context.Context, w *workbook.Workbook, katas []workbook.Kata) error {
	return nil
}
