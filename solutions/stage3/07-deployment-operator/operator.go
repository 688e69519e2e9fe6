// Package deploymentoperator is an operator that puts other people's controllers to work: of an App it makes a ConfigMap, a
// Deployment and a Service, and leaves to others what is not its own in them.
package deploymentoperator

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/kubekata/kubekata/katas/stage3/07-deployment-operator/app"
)

// Reconciler looks after Apps.
type Reconciler struct {
	// kata:begin A client, and whatever else SetupWithManager gets from the manager.
	// kata:stub
	client client.Client
	// live reads from the server and not from the cache.
	live client.Reader
	// kata:end
}

// SetupWithManager takes what the Reconciler needs from the manager, and registers it there: it is called for an App when the App
// changes, and when a ConfigMap, a Deployment or a Service changes whose controller it is. It asks the server for nothing.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// kata:begin ctrl.NewControllerManagedBy, For, and one Owns for each kind.
	r.client, r.live = mgr.GetClient(), mgr.GetAPIReader()
	return ctrl.NewControllerManagedBy(mgr).For(&app.App{}).
		Owns(&corev1.ConfigMap{}).Owns(&appsv1.Deployment{}).Owns(&corev1.Service{}).
		Complete(r)
	// kata:end
}

// Reconcile makes a ConfigMap, a Deployment and a Service of an App, and says in its status how the Deployment stands. An App
// that is gone or being deleted is left alone: what it owns is the garbage collector's.
//
// The three have the App's name and namespace, and the App as their controller, with its UID, and so that the App is not gone before
// they are (blockOwnerDeletion). They are written with server-side apply by app.FieldManager. These fields are the App's to say:
//
//   - The ConfigMap: the App's config as its data.
//   - The Deployment: pods with app.NameLabel, which is also its selector, and app.ConfigHashAnnotation; in them the container
//     app.Container with the App's image and port, and all of the ConfigMap as its environment (envFrom). The replicas are the App's
//     when it has any; else Reconcile does not have that field.
//   - The Service: app.ServicePort, which leads to the App's port (a number), on the pods with the label.
//
// What somebody else has written into these fields is put right. All other fields are others', and stay: an annotation, another
// container, another key of the ConfigMap. What the App no longer has, a key of its config for instance, goes.
//
// When the App has no replicas any longer, Reconcile gives that field up, and their number stays as it is.
//
// The Deployment is not written before the ConfigMap is: its new pods must find the new config.
//
// When another object, which the App does not control by UID, has the name of one of the three, none of them is written, also when
// the cache does not have that object yet. It is tried again, after a second or two at the latest in the beginning.
//
// The status has one condition, app.Available, with the status, reason and message of the Deployment's condition Available; as long as
// there is none it is Unknown, with app.ReasonUnknown. It is False with app.ReasonNameTaken, and a message that has the
// other object's kind, when a name is taken. Condition and status say of which generation they speak. The status is written when something in it has
// changed, also when something else has failed; its lastTransitionTime is when Available was another one last.
//
// What fails is tried again. When nothing changes any longer, nothing is asked of the server any longer.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	// kata:begin Look at the App, and whose its three names are; apply; report. Functions of your own help.
	a := &app.App{}
	if err := r.client.Get(ctx, req.NamespacedName, a); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !a.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	found, err := r.find(ctx, a)
	if err == nil {
		err = r.apply(ctx, a, found)
	}
	return ctrl.Result{}, errors.Join(err, r.report(ctx, a, available(a, found.deployment, err)))
	// kata:end
}

// kata:begin Functions of your own: what the three look like, whose they are, and the condition.
// kata:stub

// errTaken says that an object has a name that the App needs, and is not the App's.
var errTaken = errors.New("is not the app's")

// handoverManager is who has the replicas when the App no longer does, until somebody changes them.
const handoverManager = app.FieldManager + "-handover"

// children are what an App has made. What there is not yet has no UID.
type children struct {
	configMap  *corev1.ConfigMap
	deployment *appsv1.Deployment
	service    *corev1.Service
}

func (r *Reconciler) find(ctx context.Context, a *app.App) (*children, error) {
	found := &children{&corev1.ConfigMap{}, &appsv1.Deployment{}, &corev1.Service{}}
	var errs []error
	for _, child := range []client.Object{found.configMap, found.deployment, found.service} {
		errs = append(errs, r.get(ctx, a, child))
	}
	return found, errors.Join(errs...)
}

// get reads a child. An apply makes what is not there and goes into what is: so what the cache does not have is asked of the server.
func (r *Reconciler) get(ctx context.Context, a *app.App, child client.Object) error {
	kind, err := apiutil.GVKForObject(child, r.client.Scheme())
	if err != nil {
		return err
	}
	err = r.client.Get(ctx, client.ObjectKeyFromObject(a), child)
	if apierrors.IsNotFound(err) {
		err = r.live.Get(ctx, client.ObjectKeyFromObject(a), child)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get %s %s: %w", kind.Kind, a.Name, err)
	}
	if !metav1.IsControlledBy(child, a) {
		return fmt.Errorf("%s %s %w", kind.Kind, a.Name, errTaken)
	}
	return nil
}

func (r *Reconciler) apply(ctx context.Context, a *app.App, found *children) error {
	owner, err := r.owner(a)
	if err != nil {
		return err
	}
	if err := r.handOver(ctx, a, found.deployment); err != nil {
		return err
	}
	configMap := coreac.ConfigMap(a.Name, a.Namespace).WithOwnerReferences(owner).WithData(a.Spec.Config)
	configMap.UID = uid(found.configMap)
	service := newService(a).WithOwnerReferences(owner)
	service.UID = uid(found.service)
	deployment := newDeployment(a).WithOwnerReferences(owner)
	deployment.UID = uid(found.deployment)
	for _, child := range []runtime.ApplyConfiguration{configMap, deployment, service} {
		// What is ours to say we say whoever else has said it: without force a conflict would stay one until a person comes.
		if err := r.client.Apply(ctx, child, client.FieldOwner(app.FieldManager), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
	}
	return nil
}

// uid lets the server refuse to apply to an object that has taken the child's place meanwhile.
func uid(child client.Object) *types.UID {
	if child.GetUID() == "" {
		return nil
	}
	return new(child.GetUID())
}

func (r *Reconciler) owner(a *app.App) (*metaac.OwnerReferenceApplyConfiguration, error) {
	kind, err := apiutil.GVKForObject(a, r.client.Scheme())
	if err != nil {
		return nil, err
	}
	return metaac.OwnerReference().WithAPIVersion(kind.GroupVersion().String()).WithKind(kind.Kind).WithName(a.Name).WithUID(a.UID).
		WithController(true).WithBlockOwnerDeletion(true), nil
}

func newDeployment(a *app.App) *appsac.DeploymentApplyConfiguration {
	labels := map[string]string{app.NameLabel: a.Name}
	container := coreac.Container().WithName(app.Container).WithImage(a.Spec.Image).
		WithPorts(coreac.ContainerPort().WithContainerPort(a.Spec.Port).WithProtocol(corev1.ProtocolTCP)).
		WithEnvFrom(coreac.EnvFromSource().WithConfigMapRef(coreac.ConfigMapEnvSource().WithName(a.Name)))
	spec := appsac.DeploymentSpec().
		WithSelector(metaac.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(coreac.PodTemplateSpec().WithLabels(labels).
			WithAnnotations(map[string]string{app.ConfigHashAnnotation: a.ConfigHash()}).
			WithSpec(coreac.PodSpec().WithContainers(container)))
	spec.Replicas = a.Spec.Replicas
	return appsac.Deployment(a.Name, a.Namespace).WithSpec(spec)
}

func newService(a *app.App) *coreac.ServiceApplyConfiguration {
	return coreac.Service(a.Name, a.Namespace).WithSpec(coreac.ServiceSpec().
		WithSelector(map[string]string{app.NameLabel: a.Name}).
		WithPorts(coreac.ServicePort().WithPort(app.ServicePort).WithProtocol(corev1.ProtocolTCP).WithTargetPort(intstr.FromInt32(a.Spec.Port))))
}

// handOver gives the replicas to another manager, with the number that there is, when they are ours and the App has none. The field
// would go with its last owner otherwise, and the server's default for it is 1.
func (r *Reconciler) handOver(ctx context.Context, a *app.App, deployment *appsv1.Deployment) error {
	if a.Spec.Replicas != nil || deployment.UID == "" {
		return nil
	}
	ours, err := appsac.ExtractDeployment(deployment, app.FieldManager)
	if err != nil {
		return fmt.Errorf("look which fields of deployment %s are ours: %w", a.Name, err)
	}
	if ours.Spec == nil || ours.Spec.Replicas == nil {
		return nil
	}
	// The resource version: the number must be the one that there is.
	kept := appsac.Deployment(a.Name, a.Namespace).WithUID(deployment.UID).WithResourceVersion(deployment.ResourceVersion).
		WithSpec(appsac.DeploymentSpec().WithReplicas(*deployment.Spec.Replicas))
	if err := r.client.Apply(ctx, kept, client.FieldOwner(handoverManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("hand the replicas of deployment %s over: %w", a.Name, err)
	}
	return nil
}

// available is the condition that follows from what was found, and what came of it.
func available(a *app.App, deployment *appsv1.Deployment, err error) metav1.Condition {
	condition := metav1.Condition{
		Type: app.Available, Status: metav1.ConditionUnknown, ObservedGeneration: a.Generation,
		Reason: app.ReasonUnknown, Message: "The deployment has not said yet whether it is available",
	}
	if errors.Is(err, errTaken) {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, app.ReasonNameTaken, err.Error()
		return condition
	}
	for _, theirs := range deployment.Status.Conditions {
		if theirs.Type == appsv1.DeploymentAvailable {
			condition.Status, condition.Reason, condition.Message = metav1.ConditionStatus(theirs.Status), theirs.Reason, theirs.Message
		}
	}
	return condition
}

// report writes the status if it is another one.
func (r *Reconciler) report(ctx context.Context, a *app.App, condition metav1.Condition) error {
	changed := a.DeepCopy()
	changed.Status.ObservedGeneration = a.Generation
	meta.SetStatusCondition(&changed.Status.Conditions, condition)
	if equality.Semantic.DeepEqual(a.Status, changed.Status) {
		return nil
	}
	if err := r.client.Status().Update(ctx, changed); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// kata:end
