// SPDX-License-Identifier: MIT

// An API server for tests: custom resources, and pods, nodes, namespaces, secrets and events of core/v1, on etcd.
//
// It knows who asks by bearer tokens, and what each may do by rules like those of RBAC; both are in one file.
// Of admission it has validating webhooks for custom resources, by their configurations. It has no defaults of pods.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	"go.opentelemetry.io/otel/trace/noop"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	extserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	extopenapi "k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	discoveryendpoint "k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serveroptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/names"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/yaml"
)

// strategy takes every object as it is.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator
	namespaced bool
}

func (s strategy) NamespaceScoped() bool                                   { return s.namespaced }
func (strategy) PrepareForCreate(_ context.Context, o runtime.Object)      { fill(o) }
func (strategy) Validate(context.Context, runtime.Object) field.ErrorList  { return nil }
func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }
func (strategy) Canonicalize(runtime.Object)                               {}
func (strategy) AllowCreateOnUpdate() bool                                 { return false }
func (strategy) AllowUnconditionalUpdate() bool                            { return true }
func (strategy) PrepareForUpdate(_ context.Context, o, _ runtime.Object)   { fill(o) }
func (strategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}
func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// fill gives a configuration of webhooks the defaults that it would have.
func fill(o runtime.Object) {
	c, ok := o.(*admissionv1.ValidatingWebhookConfiguration)
	if !ok {
		return
	}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		if w.NamespaceSelector == nil {
			w.NamespaceSelector = &metav1.LabelSelector{}
		}
		if w.ObjectSelector == nil {
			w.ObjectSelector = &metav1.LabelSelector{}
		}
	}
}

// attrs returns what lists can be filtered by.
func attrs(o runtime.Object) (labels.Set, fields.Set, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return nil, nil, err
	}
	f := fields.Set{"metadata.name": m.GetName(), "metadata.namespace": m.GetNamespace()}
	if p, ok := o.(*corev1.Pod); ok {
		f["spec.nodeName"], f["status.phase"] = p.Spec.NodeName, string(p.Status.Phase)
	}
	return m.GetLabels(), f, nil
}

// kind is one resource of a group.
type kind struct {
	one, list  func() runtime.Object
	plural     string
	singular   string
	namespaced bool
}

var kinds = []kind{
	{func() runtime.Object { return &corev1.Pod{} }, func() runtime.Object { return &corev1.PodList{} }, "pods", "pod", true},
	{func() runtime.Object { return &corev1.Event{} }, func() runtime.Object { return &corev1.EventList{} }, "events", "event", true},
	{func() runtime.Object { return &corev1.Secret{} }, func() runtime.Object { return &corev1.SecretList{} }, "secrets", "secret", true},
	{func() runtime.Object { return &corev1.Node{} }, func() runtime.Object { return &corev1.NodeList{} }, "nodes", "node", false},
	{func() runtime.Object { return &corev1.Namespace{} }, func() runtime.Object { return &corev1.NamespaceList{} }, "namespaces", "namespace", false},
}

var hooks = []kind{
	{func() runtime.Object { return &admissionv1.ValidatingWebhookConfiguration{} }, func() runtime.Object { return &admissionv1.ValidatingWebhookConfigurationList{} }, "validatingwebhookconfigurations", "validatingwebhookconfiguration", false},
}

// named lets a Store know its singular name.
type named struct {
	*registry.Store
	singular string
}

func (n named) GetSingularName() string { return n.singular }

// who is a user, with what it may do.
type who struct {
	Token, User string
	Groups      []string
	Rules       []rbacv1.PolicyRule
}

func has(list []string, word string) bool {
	for _, each := range list {
		if each == "*" || each == word {
			return true
		}
	}
	return false
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	etcd := flag.String("etcd", "http://127.0.0.1:2379", "address of etcd")
	port := flag.Int("port", 6443, "port of 127.0.0.1")
	dir := flag.String("dir", "certificates", "folder of certificates; missing ones are made")
	users := flag.String("users", "", "YAML file: a list of {token, user, groups, rules}")
	flag.Parse()
	ctx := genericapiserver.SetupSignalContext()

	var known []who
	text, err := os.ReadFile(*users)
	check(err)
	check(yaml.Unmarshal(text, &known))
	byToken, byName := map[string]who{}, map[string]who{}
	for _, w := range known {
		byToken[w.Token], byName[w.User] = w, w
	}

	o := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	r := o.RecommendedOptions
	r.Etcd.StorageConfig.Transport.ServerList = []string{*etcd}
	r.SecureServing.BindPort = *port
	r.SecureServing.BindAddress = net.ParseIP("127.0.0.1")
	r.SecureServing.ServerCert.CertDirectory = *dir
	r.Authentication, r.Authorization, r.CoreAPI, r.Admission = nil, nil, nil, nil
	r.Features.EnablePriorityAndFairness = false
	check(r.SecureServing.MaybeDefaultWithSelfSignedCerts("localhost", nil, nil))
	check(o.Complete())

	discovery := discoveryendpoint.NewResourceManager("apis")
	build := func(codecs serializer.CodecFactory) *genericapiserver.RecommendedConfig {
		c := genericapiserver.NewRecommendedConfig(codecs)
		check(o.ServerRunOptions.ApplyTo(&c.Config))
		check(r.Etcd.ApplyTo(&c.Config))
		check(r.SecureServing.ApplyTo(&c.Config.SecureServing, &c.Config.LoopbackClientConfig))
		c.Authentication.Authenticator = bearertoken.New(authenticator.TokenFunc(func(_ context.Context, t string) (*authenticator.Response, bool, error) {
			w, ok := byToken[t]
			return &authenticator.Response{User: &user.DefaultInfo{Name: w.User, Groups: w.Groups}}, ok, nil
		}))
		c.Authorization.Authorizer = authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if has(a.GetUser().GetGroups(), "system:masters") {
				return authorizer.DecisionAllow, "", nil
			}
			resource := a.GetResource()
			if a.GetSubresource() != "" {
				resource += "/" + a.GetSubresource()
			}
			for _, rule := range byName[a.GetUser().GetName()].Rules {
				if !has(rule.Verbs, a.GetVerb()) {
					continue
				}
				if a.IsResourceRequest() && has(rule.APIGroups, a.GetAPIGroup()) && has(rule.Resources, resource) && (len(rule.ResourceNames) == 0 || has(rule.ResourceNames, a.GetName())) {
					return authorizer.DecisionAllow, "", nil
				}
				if !a.IsResourceRequest() && has(rule.NonResourceURLs, a.GetPath()) {
					return authorizer.DecisionAllow, "", nil
				}
			}
			if !a.IsResourceRequest() && a.GetVerb() == "get" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "no rule", nil
		})
		c.AggregatedDiscoveryGroupManager = discovery
		return c
	}

	// ---- core/v1, and configurations of webhooks ----
	scheme := runtime.NewScheme()
	check(corev1.AddToScheme(scheme))
	check(admissionv1.AddToScheme(scheme))
	groups := []struct {
		version schema.GroupVersion
		kinds   []kind
	}{{corev1.SchemeGroupVersion, kinds}, {admissionv1.SchemeGroupVersion, hooks}}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	for _, g := range groups {
		internal := schema.GroupVersion{Group: g.version.Group, Version: runtime.APIVersionInternal}
		for _, k := range g.kinds {
			scheme.AddKnownTypes(internal, k.one(), k.list())
		}
	}
	check(scheme.AddFieldLabelConversionFunc(corev1.SchemeGroupVersion.WithKind("Pod"), func(l, v string) (string, string, error) {
		switch l {
		case "metadata.name", "metadata.namespace", "spec.nodeName", "status.phase":
			return l, v, nil
		}
		return "", "", fmt.Errorf("field label not supported: %s", l)
	}))
	codecs := serializer.NewCodecFactory(scheme)
	loose := func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
		out := extopenapi.GetOpenAPIDefinitions(ref)
		yes := true
		for _, g := range groups {
			for _, k := range g.kinds {
				for _, object := range []runtime.Object{k.one(), k.list()} {
					gvks, _, _ := scheme.ObjectKinds(object)
					d := common.OpenAPIDefinition{Schema: spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}, Properties: map[string]spec.Schema{}}}}
					d.Schema.AddExtension("x-kubernetes-preserve-unknown-fields", yes)
					place := "core/v1"
					if g.version.Group != "" {
						place = "admissionregistration/v1"
					}
					out["io.k8s.api."+strings.ReplaceAll(place, "/", ".")+"."+gvks[0].Kind] = d
					out["k8s.io/api/"+place+"."+gvks[0].Kind] = d
				}
			}
		}
		return out
	}
	core := build(codecs)
	core.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(loose, openapinamer.NewDefinitionNamer(scheme))
	core.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(loose, openapinamer.NewDefinitionNamer(scheme))
	core.EffectiveVersion = nil
	check(o.ServerRunOptions.ApplyTo(&core.Config))
	coreServer, err := core.Complete().New("core", genericapiserver.NewEmptyDelegate())
	check(err)
	for _, g := range groups {
		info := genericapiserver.NewDefaultAPIGroupInfo(g.version.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
		etcdOptions := *r.Etcd
		etcdOptions.StorageConfig.Prefix = "/registry"
		etcdOptions.StorageConfig.Codec = codecs.LegacyCodec(g.version)
		getter := etcdOptions.CreateRESTOptionsGetter(&serveroptions.SimpleStorageFactory{StorageConfig: etcdOptions.StorageConfig}, nil)
		stores := map[string]rest.Storage{}
		for _, k := range g.kinds {
			s := strategy{scheme, names.SimpleNameGenerator, k.namespaced}
			plural := schema.GroupResource{Group: g.version.Group, Resource: k.plural}
			store := &registry.Store{
				NewFunc: k.one, NewListFunc: k.list,
				DefaultQualifiedResource:  plural,
				SingularQualifiedResource: schema.GroupResource{Group: g.version.Group, Resource: k.singular},
				PredicateFunc: func(l labels.Selector, f fields.Selector) storage.SelectionPredicate {
					return storage.SelectionPredicate{Label: l, Field: f, GetAttrs: attrs}
				},
				CreateStrategy: s, UpdateStrategy: s, DeleteStrategy: s,
				TableConvertor: rest.NewDefaultTableConvertor(plural),
			}
			check(store.CompleteWithOptions(&generic.StoreOptions{RESTOptions: getter, AttrFunc: attrs}))
			stores[k.plural] = named{store, k.singular}
		}
		info.VersionedResourcesStorageMap["v1"] = stores
		if g.version.Group == "" {
			check(coreServer.InstallLegacyAPIGroup("/api", &info))
		} else {
			check(coreServer.InstallAPIGroup(&info))
		}
	}

	// ---- CRDs ----
	ext := build(extserver.Codecs)
	check(o.APIEnablement.ApplyTo(&ext.Config, extserver.DefaultAPIResourceConfigSource(), extserver.Scheme))
	ext.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(extopenapi.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(extserver.Scheme))
	ext.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(extopenapi.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(extserver.Scheme))
	client, err := kubernetes.NewForConfig(ext.LoopbackClientConfig)
	check(err)
	anything, err := dynamic.NewForConfig(ext.LoopbackClientConfig)
	check(err)
	ext.SharedInformerFactory = informers.NewSharedInformerFactory(client, 0)
	admission := serveroptions.NewAdmissionOptions()
	admission.RecommendedPluginOrder = []string{validating.PluginName}
	resolver := webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, ext.LoopbackClientConfig, noop.NewTracerProvider())
	initial := initializer.NewPluginInitializer(resolver, webhook.NewDefaultServiceResolver())
	check(admission.ApplyTo(&ext.Config, ext.SharedInformerFactory, client, anything, utilfeature.DefaultFeatureGate, ext.EffectiveVersion, initial))
	config := &extserver.Config{GenericConfig: ext, ExtraConfig: extserver.ExtraConfig{
		CRDRESTOptionsGetter: options.NewCRDRESTOptionsGetter(*r.Etcd, nil, ext.StorageObjectCountTracker),
		ServiceResolver:      webhook.NewDefaultServiceResolver(),
		AuthResolverWrapper:  resolver,
	}}
	server, err := config.Complete().New(coreServer)
	check(err)
	check(server.GenericAPIServer.PrepareRun().RunWithContext(ctx))
}
