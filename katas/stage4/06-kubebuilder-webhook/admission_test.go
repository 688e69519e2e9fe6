package kubebuilderwebhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	mathv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/api/v1"
	webhookv1 "github.com/kubekata/kubekata/katas/stage4/06-kubebuilder-webhook/internal/webhook/v1"
)

// calculation is "first action second", without what is "".
func calculation(action mathv1.Action, first int64, second ...int64) *mathv1.Calculate {
	c := &mathv1.Calculate{
		TypeMeta:   metav1.TypeMeta{APIVersion: mathv1.GroupVersion.String(), Kind: "Calculate"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "school", Name: "homework"},
		Spec:       mathv1.CalculateSpec{Action: action, First: first},
	}
	if len(second) > 0 {
		c.Spec.Second = &second[0]
	}
	return c
}

// with is a copy with other metadata.
func with(c *mathv1.Calculate, change ...func(*mathv1.Calculate)) *mathv1.Calculate {
	c = c.DeepCopy()
	for _, f := range change {
		f(c)
	}
	return c
}

func protected(value string) func(*mathv1.Calculate) {
	return func(c *mathv1.Calculate) { c.Annotations = map[string]string{mathv1.ProtectedAnnotation: value} }
}

func dying(c *mathv1.Calculate) {
	c.DeletionTimestamp, c.Finalizers = &metav1.Time{Time: metav1.Now().Rfc3339Copy().Time}, []string{"school.kubekata.dev/mark"}
}

func labelled(c *mathv1.Calculate) { c.Labels = map[string]string{"marked": "yes"} }

// stored are copies of an object and what is to take its place, with generations, as the API server has them when it asks.
func stored(before, after *mathv1.Calculate) (*mathv1.Calculate, *mathv1.Calculate) {
	before, after = before.DeepCopy(), after.DeepCopy()
	before.Generation, after.Generation = 1, 1
	if !equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		after.Generation = 2
	}
	return before, after
}

// said is a calculation in a line.
func said(c *mathv1.Calculate) string {
	second := "nothing"
	if c.Spec.Second != nil {
		second = fmt.Sprint(*c.Spec.Second)
	}
	return fmt.Sprintf("%d %q %s", c.Spec.First, c.Spec.Action, second)
}

// fields are those that an Invalid complains of, or what else an error is.
func fields(err error) []string {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return []string{fmt.Sprintf("%v, which is no Invalid", err)}
	}
	var names []string
	for _, cause := range status.Status().Details.Causes {
		names = append(names, strings.TrimPrefix(string(cause.Type), "FieldValue")+" "+cause.Field)
	}
	slices.Sort(names)
	return names
}

var _ = Describe("The Defaulter", func() {
	It("is controller-runtime's generic one, for Calculates", func() {
		Expect(defaulter()).NotTo(BeNil())
	})

	DescribeTable("fills in",
		func(before, want *mathv1.Calculate) {
			c := before.DeepCopy()
			Expect(defaulter().Default(context.Background(), c)).To(Succeed(), "Default of %s: it refuses nothing", said(before))
			Expect(said(c)).To(Equal(said(want)), "what %s has become", said(before))
		},
		Entry("an action that is missing: add", calculation("", 42, 1), calculation(mathv1.ActionAdd, 42, 1)),
		Entry("everything that is missing", calculation("", 42), calculation(mathv1.ActionAdd, 42, 0)),
		Entry("0, where it is missing and subtracted", calculation(mathv1.ActionSub, 42), calculation(mathv1.ActionSub, 42, 0)),
		Entry("1, where it is missing and multiplied by", calculation(mathv1.ActionMul, 42), calculation(mathv1.ActionMul, 42, 1)),
		Entry("1, where it is missing and divided by", calculation(mathv1.ActionDiv, 42), calculation(mathv1.ActionDiv, 42, 1)),
		Entry("nothing, where nobody knows the action", calculation("pow", 42), calculation("pow", 42)),
		Entry("nothing, where nothing is missing", calculation(mathv1.ActionMul, 6, 7), calculation(mathv1.ActionMul, 6, 7)),
		Entry("no number where one is given, not even for a 0", calculation(mathv1.ActionMul, 42, 0), calculation(mathv1.ActionMul, 42, 0)),
		Entry("no number where one is given, not even for the 0 that something is divided by", calculation(mathv1.ActionDiv, 42, 0), calculation(mathv1.ActionDiv, 42, 0)),
	)

	It("changes nothing else", func() {
		before := with(calculation("", 0), labelled, protected("true"))
		before.Status.Result = new(int64(7))
		want := before.DeepCopy()
		want.Spec.Action, want.Spec.Second = mathv1.ActionAdd, new(int64(0))
		Expect(defaulter().Default(context.Background(), before)).To(Succeed(), "Default")
		Expect(before).To(Equal(want), "a Calculate that has been filled in")
	})
})

var _ = Describe("The Validator", func() {
	It("is controller-runtime's generic one, for Calculates", func() {
		Expect(validator()).NotTo(BeNil())
	})

	When("a Calculate is created", func() {
		DescribeTable("takes",
			func(c *mathv1.Calculate) {
				passed := c.DeepCopy()
				warnings, err := validator().ValidateCreate(context.Background(), passed)
				Expect(fields(err)).To(BeEmpty(), "what is wrong with %s", said(c))
				Expect(warnings).To(BeEmpty(), "warnings about %s", said(c))
				Expect(passed).To(Equal(c), "the Calculate, which a validator does not change")
			},
			Entry("a sum", calculation(mathv1.ActionAdd, 40, 2)),
			Entry("a difference of zeros", calculation(mathv1.ActionSub, 0, 0)),
			Entry("a product with 0", calculation(mathv1.ActionMul, 7, 0)),
			Entry("a division without a remainder", calculation(mathv1.ActionDiv, 42, 6)),
			Entry("the division that overflows, which is the controller's business", calculation(mathv1.ActionDiv, math.MinInt64, -1)),
			Entry("a division of 0", calculation(mathv1.ActionDiv, 0, 5)),
			Entry("one that is protected", with(calculation(mathv1.ActionAdd, 1, 1), protected("true"))),
		)

		DescribeTable("refuses",
			func(c *mathv1.Calculate, want ...string) {
				passed := c.DeepCopy()
				_, err := validator().ValidateCreate(context.Background(), passed)
				Expect(fields(err)).To(Equal(want), "what is wrong with %s", said(c))
				Expect(passed).To(Equal(c), "the Calculate, which a validator does not change")
				status := apierrors.APIStatus(nil)
				Expect(errors.As(err, &status)).To(BeTrue())
				Expect(status.Status().Details.Name).To(Equal(c.Name), "the name in the error's details")
				Expect(status.Status().Details.Kind).To(Equal("Calculate"), "the kind in the error's details")
			},
			Entry("a division by 0", calculation(mathv1.ActionDiv, 1, 0), "Invalid spec.second"),
			Entry("a division of 0 by 0", calculation(mathv1.ActionDiv, 0, 0), "Invalid spec.second"),
			Entry("an action that nobody knows", calculation("pow", 2, 3), "NotSupported spec.action"),
			Entry("an action in capitals", calculation("ADD", 2, 3), "NotSupported spec.action"),
			Entry("no action, where nothing has filled it in", calculation("", 2, 3), "Required spec.action"),
			Entry("no second number, where nothing has filled it in", calculation(mathv1.ActionAdd, 2), "Required spec.second"),
			Entry("a division by no number", calculation(mathv1.ActionDiv, 2), "Required spec.second"),
			Entry("an unknown action and no number, both at once", calculation("pow", 2), "NotSupported spec.action", "Required spec.second"),
			Entry("nothing at all, with both that is missing", calculation("", 0), "Required spec.action", "Required spec.second"),
		)

		It("says which actions there are", func() {
			_, err := validator().ValidateCreate(context.Background(), calculation("pow", 2, 3))
			Expect(err).To(MatchError(And(ContainSubstring(`"add"`), ContainSubstring(`"sub"`), ContainSubstring(`"mul"`), ContainSubstring(`"div"`))), "what the user reads about the action pow")
		})

		DescribeTable("warns of a remainder:",
			func(first, second int64) {
				c := calculation(mathv1.ActionDiv, first, second)
				warnings, err := validator().ValidateCreate(context.Background(), c)
				Expect(err).NotTo(HaveOccurred(), "ValidateCreate of %s", said(c))
				Expect(warnings).To(ConsistOf(ContainSubstring("remainder")), "warnings about %s", said(c))
			},
			Entry("7 by 2", int64(7), int64(2)), Entry("-7 by 2", int64(-7), int64(2)), Entry("1 by 5", int64(1), int64(5)),
		)
	})

	When("a Calculate is updated", func() {
		DescribeTable("allows",
			func(before, after *mathv1.Calculate) {
				before, after = stored(before, after)
				old, passed := before.DeepCopy(), after.DeepCopy()
				warnings, err := validator().ValidateUpdate(context.Background(), old, passed)
				Expect(fields(err)).To(BeEmpty(), "what is wrong with an update from %s to %s", said(before), said(after))
				Expect(warnings).To(BeEmpty(), "warnings about an update from %s to %s", said(before), said(after))
				Expect(passed).To(Equal(after), "the Calculate, which a validator does not change")
				Expect(old).To(Equal(before), "the old Calculate, which a validator does not change")
			},
			Entry("other numbers", calculation(mathv1.ActionAdd, 1, 1), calculation(mathv1.ActionAdd, 2, 0)),
			Entry("an action where there was none", calculation("", 1, 1), calculation(mathv1.ActionAdd, 1, 1)),
			Entry("any action where there was none", calculation("", 1, 1), calculation(mathv1.ActionMul, 1, 1)),
			Entry("a label on what is older than the rules", calculation(mathv1.ActionDiv, 1, 0), with(calculation(mathv1.ActionDiv, 1, 0), labelled)),
			Entry("a label on what was never filled in", calculation("", 1), with(calculation("", 1), labelled)),
			Entry("a label on a division with a remainder, without another warning", calculation(mathv1.ActionDiv, 7, 2), with(calculation(mathv1.ActionDiv, 7, 2), labelled)),
			Entry("that a finalizer is taken off what is being deleted", with(calculation(mathv1.ActionDiv, 1, 0), dying),
				with(calculation(mathv1.ActionDiv, 1, 0), dying, func(c *mathv1.Calculate) { c.Finalizers = nil })),
			Entry("anything of what is being deleted", with(calculation(mathv1.ActionAdd, 7, 2), dying), with(calculation("pow", 7), dying)),
			Entry("anything of what is being deleted, without a warning", with(calculation(mathv1.ActionDiv, 6, 2), dying), with(calculation(mathv1.ActionDiv, 7, 2), dying)),
			Entry("that a mistake is mended", calculation(mathv1.ActionDiv, 1, 0), calculation(mathv1.ActionDiv, 1, 1)),
		)

		DescribeTable("refuses",
			func(before, after *mathv1.Calculate, want ...string) {
				before, after = stored(before, after)
				old, passed := before.DeepCopy(), after.DeepCopy()
				_, err := validator().ValidateUpdate(context.Background(), old, passed)
				Expect(fields(err)).To(Equal(want), "what is wrong with an update from %s to %s", said(before), said(after))
				Expect(passed).To(Equal(after), "the Calculate, which a validator does not change")
				Expect(old).To(Equal(before), "the old Calculate, which a validator does not change")
			},
			Entry("another action", calculation(mathv1.ActionAdd, 1, 1), calculation(mathv1.ActionSub, 1, 1), "Invalid spec.action"),
			Entry("another action in the place of one that nobody knows", calculation("pow", 1, 1), calculation(mathv1.ActionMul, 1, 1), "Invalid spec.action"),
			Entry("a division by 0", calculation(mathv1.ActionDiv, 1, 1), calculation(mathv1.ActionDiv, 1, 0), "Invalid spec.second"),
			Entry("a division by 0 that is becoming another one", calculation(mathv1.ActionDiv, 1, 0), calculation(mathv1.ActionDiv, 2, 0), "Invalid spec.second"),
			Entry("that the number is taken away", calculation(mathv1.ActionAdd, 1, 1), calculation(mathv1.ActionAdd, 1), "Required spec.second"),
			Entry("an unknown action where there was none", calculation("", 1, 1), calculation("pow", 1, 1), "NotSupported spec.action"),
			Entry("another action and a division by 0, both at once", calculation(mathv1.ActionAdd, 1, 1), calculation(mathv1.ActionDiv, 1, 0), "Invalid spec.action", "Invalid spec.second"),
		)

		It("warns of a remainder that is new", func() {
			before, after := stored(calculation(mathv1.ActionDiv, 6, 2), calculation(mathv1.ActionDiv, 7, 2))
			warnings, err := validator().ValidateUpdate(context.Background(), before, after)
			Expect(err).NotTo(HaveOccurred(), "ValidateUpdate from 6 / 2 to 7 / 2")
			Expect(warnings).To(ConsistOf(ContainSubstring("remainder")), "warnings about 7 / 2")
		})
	})

	When("a Calculate is deleted", func() {
		DescribeTable("answers",
			func(c *mathv1.Calculate, user string, want int) {
				Expect(deletion(c, user)).To(BeEquivalentTo(want), "the code of the answer when %s deletes a Calculate with the annotations %v", user, c.Annotations)
				passed := c.DeepCopy()
				_, _ = validator().ValidateDelete(context.Background(), passed)
				Expect(passed).To(Equal(c), "the Calculate, which a validator does not change")
			},
			Entry("yes", calculation(mathv1.ActionAdd, 1, 1), "ada", http.StatusOK),
			Entry("yes, for one that is wrong", calculation("pow", 1), "ada", http.StatusOK),
			Entry("no, for one that is protected", with(calculation(mathv1.ActionAdd, 1, 1), protected("true")), "ada", http.StatusForbidden),
			Entry("yes, for one that is not protected any more", with(calculation(mathv1.ActionAdd, 1, 1), protected("false")), "ada", http.StatusOK),
			Entry("yes, for one whose annotation is not true, but something else", with(calculation(mathv1.ActionAdd, 1, 1), protected("True")), "ada", http.StatusOK),
			Entry("yes, for one that is protected and on its way out already", with(calculation(mathv1.ActionAdd, 1, 1), protected("true"), dying), "ada", http.StatusOK),
			Entry("yes to the namespace controller, for one that is protected", with(calculation(mathv1.ActionAdd, 1, 1), protected("true")), webhookv1.NamespaceController, http.StatusOK),
			Entry("no to other controllers, for one that is protected", with(calculation(mathv1.ActionAdd, 1, 1), protected("true")), "system:serviceaccount:kube-system:generic-garbage-collector", http.StatusForbidden),
		)

		It("refuses to delete one that is protected when there is no request in the context", func() {
			_, err := validator().ValidateDelete(context.Background(), with(calculation(mathv1.ActionAdd, 1, 1), protected("true")))
			Expect(err).To(HaveOccurred(), "ValidateDelete of a protected Calculate, with an empty context")
		})
	})
})

// deletion lets controller-runtime ask the Validator about a deletion, and returns the code of the answer.
func deletion(c *mathv1.Calculate, user string) int32 {
	GinkgoHelper()
	scheme := runtime.NewScheme()
	Expect(mathv1.AddToScheme(scheme)).To(Succeed())
	raw, err := json.Marshal(c)
	Expect(err).NotTo(HaveOccurred())
	kind := mathv1.GroupVersion.WithKind("Calculate")
	answer := admission.WithValidator(scheme, validator()).Handle(context.Background(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Delete, Namespace: c.Namespace, Name: c.Name, UserInfo: authenticationv1.UserInfo{Username: user},
		Kind:      metav1.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind},
		Resource:  metav1.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: "calculates"},
		OldObject: runtime.RawExtension{Raw: raw},
	}})
	Expect(answer.Result).NotTo(BeNil(), "the result in the answer")
	return answer.Result.Code
}
