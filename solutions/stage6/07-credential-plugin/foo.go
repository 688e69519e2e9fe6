package credentialplugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
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
	// kata:begin Args, RunE, silence, the flags, and cobra.CommandDisplayNameAnnotation. config makes the rest.Config, and the rest is
	// | client-go's: nothing here knows that there are plugins. Look for SelfSubjectReview.
	// kata:stub cmd.RunE = func(*cobra.Command, []string) error { return errors.New("this command does nothing yet") }
	cmd.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl foo"}
	cmd.Args = cobra.NoArgs
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	config.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		namespace, _, err := config.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			return err
		}
		restConfig, err := config.ToRESTConfig()
		if err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(restConfig)
		if err != nil {
			return err
		}
		review, err := client.AuthenticationV1().SelfSubjectReviews().Create(cmd.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("ask the server who we are: %w", err)
		}
		me := review.Status.UserInfo
		_, err = fmt.Fprintf(streams.Out, "user       %s\ngroups     %s\nnamespace  %s\n", me.Username, strings.Join(me.Groups, ", "), namespace)
		return err
	}
	// kata:end
	return cmd
}
