package operator

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubekata/kubekata/katas/stage3/09-operator-testing/site"
)

// Fault is something that an operator does wrong, as the end of the sentence "an operator that …".
type Fault string

// The faults.
const (
	MakesNothing       Fault = "makes no Deployment"
	IgnoresZero        Fault = "takes 0 replicas for 1"
	IgnoresImage       Fault = "does not follow the image"
	IgnoresReplicas    Fault = "does not follow the replicas"
	NotController      Fault = "makes the Site an owner, but not the controller"
	NoOwner            Fault = "makes a Deployment that is nobody's"
	TakesOver          Fault = "takes over a Deployment of somebody else"
	OwnerByName        Fault = "takes the Deployment of an older Site of the same name for its own"
	BlockedIsAnError   Fault = "returns an error when it is blocked"
	Overwrites         Fault = "writes its own Deployment over what others have added"
	CountsOnes         Fault = "says that all are ready when they are wanted"
	ForgetsGeneration  Fault = "does not say which generation it has seen"
	StatusByUpdate     Fault = "writes the status with Update, which drops it"
	AlwaysUpdates      Fault = "updates a Deployment that is right, because the server has filled in defaults"
	AlwaysWritesStatus Fault = "writes a status that is right already"
	SwallowsCreate     Fault = "drops the server's error when a Deployment cannot be made"
	SwallowsUpdate     Fault = "drops the server's error when a Deployment cannot be changed"
	SwallowsStatus     Fault = "drops the server's error when the status cannot be written"
	ErrorIsAbsence     Fault = "takes every error of Get for a Deployment that is not there"
	GoneIsAnError      Fault = "returns an error for a Site that is gone"
	ActsOnDeleted      Fault = "makes a Deployment for a Site that is being deleted"
	SelectsByApp       Fault = "labels its pods otherwise than agreed"
)

// Faults are all of them.
var Faults = []Fault{
	MakesNothing, IgnoresZero, IgnoresImage, IgnoresReplicas, NotController, NoOwner, TakesOver, OwnerByName, BlockedIsAnError, Overwrites,
	CountsOnes, ForgetsGeneration, StatusByUpdate, AlwaysUpdates, AlwaysWritesStatus, SwallowsCreate, SwallowsUpdate, SwallowsStatus,
	ErrorIsAbsence, GoneIsAnError, ActsOnDeleted, SelectsByApp,
}

// planted are the three bugs of the operator that was handed in.
var planted = []Fault{IgnoresZero, SwallowsCreate, AlwaysUpdates}

// Reconcile is the contract at New, but for the faults.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var s site.Site
	if err := r.Get(ctx, req.NamespacedName, &s); err != nil {
		if r.has(GoneIsAnError) {
			return reconcile.Result{}, err
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if s.DeletionTimestamp != nil && !r.has(ActsOnDeleted) {
		return reconcile.Result{}, nil
	}
	deployment, blocked, err := r.ensure(ctx, &s)
	if err != nil {
		return reconcile.Result{}, err
	}
	status := site.Status{Phase: site.PhaseStarting, ObservedGeneration: s.Generation}
	switch {
	case blocked:
		status.Phase = site.PhaseBlocked
	case r.has(CountsOnes):
		status.Ready = s.Spec.Replicas
	case deployment != nil:
		status.Ready = deployment.Status.ReadyReplicas
	}
	if !blocked && status.Ready == s.Spec.Replicas {
		status.Phase = site.PhaseOnline
	}
	if r.has(ForgetsGeneration) {
		status.ObservedGeneration = 0
	}
	if err := r.write(ctx, &s, status); err != nil && !r.has(SwallowsStatus) {
		return reconcile.Result{}, err
	}
	if blocked && r.has(BlockedIsAnError) {
		return reconcile.Result{}, apierrors.NewAlreadyExists(appsv1.Resource("deployments"), s.Name)
	}
	return reconcile.Result{}, nil
}

// write writes the status, if it is another one.
func (r *reconciler) write(ctx context.Context, s *site.Site, status site.Status) error {
	if s.Status == status && !r.has(AlwaysWritesStatus) {
		return nil
	}
	before := s.DeepCopy()
	s.Status = status
	switch {
	case r.has(StatusByUpdate):
		return r.Update(ctx, s)
	case r.patches:
		return r.Status().Patch(ctx, s, client.MergeFrom(before))
	}
	return r.Status().Update(ctx, s)
}

// ensure makes the Site's Deployment what it ought to be, and returns it, or says that it is somebody else's.
func (r *reconciler) ensure(ctx context.Context, s *site.Site) (_ *appsv1.Deployment, blocked bool, _ error) {
	if r.has(MakesNothing) {
		return nil, false, nil
	}
	is := &appsv1.Deployment{}
	err := r.Get(ctx, client.ObjectKeyFromObject(s), is)
	switch {
	case apierrors.IsNotFound(err), err != nil && r.has(ErrorIsAbsence):
		made := r.deployment(s)
		if err := r.Create(ctx, made); err != nil {
			return nil, false, r.unless(SwallowsCreate, err)
		}
		return made, false, nil
	case err != nil:
		return nil, false, err
	case !r.owns(s, is):
		return nil, true, nil
	}
	return r.settle(ctx, s, is)
}

// settle puts a Deployment right, if it is not.
func (r *reconciler) settle(ctx context.Context, s *site.Site, is *appsv1.Deployment) (*appsv1.Deployment, bool, error) {
	ought := is.DeepCopy()
	if !r.has(IgnoresReplicas) {
		ought.Spec.Replicas = r.replicas(s)
	}
	for i := range ought.Spec.Template.Spec.Containers {
		if c := &ought.Spec.Template.Spec.Containers[i]; c.Name == site.Container && !r.has(IgnoresImage) {
			c.Image = s.Spec.Image
		}
	}
	changed := !equality.Semantic.DeepEqual(is.Spec, ought.Spec)
	if r.has(AlwaysUpdates) {
		changed = !equality.Semantic.DeepEqual(is.Spec, r.deployment(s).Spec)
	}
	if !changed {
		return is, false, nil
	}
	if r.has(Overwrites) {
		mine := r.deployment(s)
		mine.ResourceVersion = is.ResourceVersion
		ought = mine
	}
	var err error
	if r.patches {
		err = r.Patch(ctx, ought, client.StrategicMergeFrom(is))
	} else {
		err = r.Update(ctx, ought)
	}
	if err != nil {
		return is, false, r.unless(SwallowsUpdate, err)
	}
	return ought, false, nil
}

// unless returns the error, unless there is the fault.
func (r *reconciler) unless(f Fault, err error) error {
	if r.has(f) {
		return nil
	}
	return err
}

// owns says whether a Deployment is the Site's.
func (r *reconciler) owns(s *site.Site, d *appsv1.Deployment) bool {
	owner := metav1.GetControllerOf(d)
	switch {
	case r.has(TakesOver):
		return true
	case r.has(NoOwner): // it must know its own in some way
		return owner == nil && d.Spec.Selector.MatchLabels["site"] == s.Name
	case r.has(NotController):
		return slices.ContainsFunc(d.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == s.UID })
	case r.has(OwnerByName):
		return owner != nil && owner.Name == s.Name && owner.Kind == "Site"
	}
	return owner != nil && owner.UID == s.UID
}

func (r *reconciler) replicas(s *site.Site) *int32 {
	replicas := s.Spec.Replicas
	if r.has(IgnoresZero) {
		replicas = max(replicas, 1)
	}
	return &replicas
}

// deployment is a new Deployment for a Site.
func (r *reconciler) deployment(s *site.Site) *appsv1.Deployment {
	labels := map[string]string{"site": s.Name}
	if r.has(SelectsByApp) {
		labels = map[string]string{"app": s.Name}
	}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: r.replicas(s),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: site.Container, Image: s.Spec.Image}}},
			},
		},
	}
	switch {
	case r.has(NoOwner):
	case r.has(NotController):
		_ = controllerutil.SetOwnerReference(s, d, r.Scheme())
	default:
		if err := controllerutil.SetControllerReference(s, d, r.Scheme()); err != nil {
			panic(err) // the Site's kind is in no scheme: a mistake in the program
		}
	}
	return d
}
