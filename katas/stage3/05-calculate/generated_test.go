package calculate_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/deepcopy"
	"sigs.k8s.io/controller-tools/pkg/rbac"

	"github.com/kubekata/kubekata/harness/controllergen"
	calculate "github.com/kubekata/kubekata/katas/stage3/05-calculate"
	mathv1 "github.com/kubekata/kubekata/katas/stage3/05-calculate/api/v1"
)

var project = controllergen.Project{Folder: "katas/stage3/05-calculate", Files: calculate.Files}

var _ = Describe("What is generated", func() {
	It("is what controller-gen makes of the types: DeepCopy", func() {
		project.ExpectFresh(deepcopy.Generator{}, "api/v1", "api/v1/zz_generated.deepcopy.go", "generate")
	})

	It("is what controller-gen makes of the types: the definition", func() {
		project.ExpectFresh(crd.Generator{HeaderFile: "hack/header.yaml.txt"}, "api/v1", crdFile, "manifests")
	})

	It("is what controller-gen makes of the markers: the role", func() {
		project.ExpectFresh(rbac.Generator{RoleName: "calculate-manager", HeaderFile: "hack/header.yaml.txt"}, "internal/controller", roleFile, "manifests")
	})

	It("makes copies that share nothing", func() {
		full := func() *mathv1.Calculate {
			return &mathv1.Calculate{
				ObjectMeta: metav1.ObjectMeta{Name: "sum", Labels: map[string]string{"a": "b"}},
				Spec:       mathv1.CalculateSpec{Action: mathv1.ActionAdd, First: 1, Second: 1},
				Status: mathv1.CalculateStatus{Result: new(int64(2)), ObservedGeneration: 1, Conditions: []metav1.Condition{{
					Type: mathv1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.Unix(1, 0),
				}}},
			}
		}
		original := full()
		copied := original.DeepCopy()
		Expect(copied).To(Equal(full()), "the copy")
		*copied.Status.Result = 3
		copied.Status.Conditions[0].Status = metav1.ConditionFalse
		copied.Labels["a"] = "c"
		Expect(original).To(Equal(full()), "the original, after the copy was changed")
		list := &mathv1.CalculateList{Items: []mathv1.Calculate{*full()}}
		*list.DeepCopy().Items[0].Status.Result = 3
		Expect(list.Items[0]).To(Equal(*full()), "the original list's item, after the copy's was changed")
	})
})
