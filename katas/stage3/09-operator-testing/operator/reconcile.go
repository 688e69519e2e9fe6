package operator

import (
	"context"
	"maps"
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
	SelectsLess        Fault = "makes a Deployment whose selector is another label than agreed"
	NamesContainer     Fault = "calls the container otherwise than agreed"
	OneContainer       Fault = "throws away containers that others have added"
	NeverOnline        Fault = "never says that a Site is Online"
	AlwaysOnline       Fault = "says that a Site is Online before its replicas are ready"
	BlockedInSilence   Fault = "does not say that it is blocked"
	CountsStrangers    Fault = "counts the replicas of a Deployment that is somebody else's"
	SwallowsGet        Fault = "drops the server's error when the Site cannot be read"
	ChangesDeleted     Fault = "puts the Deployment of a Site right that is being deleted"
	ReportsOnDeleted   Fault = "writes the status of a Site that is being deleted"
)

// Faults are all of them.
var Faults = []Fault{
	MakesNothing, IgnoresZero, IgnoresImage, IgnoresReplicas, NotController, NoOwner, TakesOver, OwnerByName, BlockedIsAnError, Overwrites,
	CountsOnes, ForgetsGeneration, StatusByUpdate, AlwaysUpdates, AlwaysWritesStatus, SwallowsCreate, SwallowsUpdate, SwallowsStatus,
	ErrorIsAbsence, GoneIsAnError, ActsOnDeleted, SelectsByApp, SelectsLess, NamesContainer, OneContainer, NeverOnline, AlwaysOnline,
	BlockedInSilence, CountsStrangers, SwallowsGet, ChangesDeleted, ReportsOnDeleted,
}

// planted are the three bugs of the operator that was handed in.
var planted = []Fault{IgnoresZero, SwallowsCreate, AlwaysUpdates}

// Reconcile is the contract at New, but for the faults.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var s site.Site
	if err := r.Get(ctx, req.NamespacedName, &s); err != nil {
		switch {
		case r.has(GoneIsAnError):
			return reconcile.Result{}, err
		case r.has(SwallowsGet):
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if s.DeletionTimestamp != nil && !r.has(ActsOnDeleted) {
		return reconcile.Result{}, r.dying(ctx, &s)
	}
	deployment, blocked, err := r.ensure(ctx, &s)
	if err != nil {
		return reconcile.Result{}, err
	}
	status := site.Status{Phase: site.PhaseStarting, ObservedGeneration: s.Generation}
	switch {
	case blocked:
		if !r.has(BlockedInSilence) {
			status.Phase = site.PhaseBlocked
		}
		if r.has(CountsStrangers) {
			status.Ready = deployment.Status.ReadyReplicas
		}
	case r.has(CountsOnes):
		status.Ready = s.Spec.Replicas
	case deployment != nil:
		status.Ready = deployment.Status.ReadyReplicas
	}
	if !blocked && (status.Ready == s.Spec.Replicas && !r.has(NeverOnline) || r.has(AlwaysOnline)) {
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

// dying is called for a Site that is being deleted, for which nothing is to be done.
func (r *reconciler) dying(ctx context.Context, s *site.Site) error {
	switch {
	case r.has(ReportsOnDeleted):
		return r.write(ctx, s, site.Status{Phase: site.PhaseStarting, ObservedGeneration: s.Generation})
	case r.has(ChangesDeleted):
		is := &appsv1.Deployment{}
		if err := r.Get(ctx, client.ObjectKeyFromObject(s), is); err != nil {
			return client.IgnoreNotFound(err)
		}
		_, _, err := r.settle(ctx, s, is)
		return err
	}
	return nil
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
	case r.another:
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
		return is, true, nil
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
		if c := &ought.Spec.Template.Spec.Containers[i]; c.Name == r.container() && !r.has(IgnoresImage) {
			c.Image = s.Spec.Image
		}
	}
	if r.has(OneContainer) {
		ought.Spec.Template.Spec.Containers = slices.DeleteFunc(ought.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
			return c.Name != site.Container
		})
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
	if r.another {
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

func (r *reconciler) container() string {
	if r.has(NamesContainer) {
		return "app"
	}
	return site.Container
}

// embellish adds what the contract neither asks for nor forbids.
func (r *reconciler) embellish(d *appsv1.Deployment) {
	d.Labels = map[string]string{"app.kubernetes.io/managed-by": "another"}
	d.Annotations = map[string]string{"another/version": "2"}
	pod := &d.Spec.Template
	pod.Labels["another/tier"] = "web"
	pod.Annotations = map[string]string{"another/version": "2"}
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODE", Value: "production"}}
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "log", Image: "log:1"})
}

// deployment is a new Deployment for a Site.
func (r *reconciler) deployment(s *site.Site) *appsv1.Deployment {
	labels := map[string]string{"site": s.Name}
	if r.has(SelectsByApp) {
		labels = map[string]string{"app": s.Name}
	}
	selector := maps.Clone(labels)
	if r.has(SelectsLess) {
		labels, selector = map[string]string{"site": s.Name, "app": s.Name}, map[string]string{"app": s.Name}
	}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: r.replicas(s),
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: r.container(), Image: s.Spec.Image}}},
			},
		},
	}
	if r.another {
		r.embellish(d)
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
