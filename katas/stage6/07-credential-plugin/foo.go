package credentialplugin

import (
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// NewFoo returns the command of the program kubectl-foo, which kubectl starts as "kubectl foo" when it finds it on the PATH:
//
//	kubectl foo [flags of kubectl]
//
// It asks the server as whom it is logged in, and writes to Out
//
//	user       nonna
//	groups     bakers, system:authenticated
//	namespace  kitchen
//
// with the namespace that kubectl get would take. The flags of config become the command's, and decide with the kubeconfig which server it is. Arguments
// are an error. Errors go to the caller, and to ErrOut neither they nor the usage; that of --help calls the command by what people type.
func NewFoo(config *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kubectl-foo",
		Short: "Say who you are",
	}
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	// TODO(kata): Args, RunE, silence, the flags, and cobra.CommandDisplayNameAnnotation. config makes the rest.Config, and the rest is
	// client-go's: nothing here knows that there are plugins. Look for SelfSubjectReview.
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("this command does nothing yet") }
	return cmd
}
