package io.github.vq4j.torch;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.pytorch.DeviceOptional;
import org.bytedeco.pytorch.Edge;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Node;
import org.bytedeco.pytorch.NodeSet;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorTensorHook;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.jspecify.annotations.Nullable;

/**
 * One forward of a layer in libtorch's graph.
 *
 * <pre>
 *   output ----> out ----> pass ----> z
 *   loss ------> sum --------^
 *
 *   pass: an alias of z; its hook turns the gradient of the output into that of z
 *   sum:  its hook keeps alpha, the gradient of the loss, and sends zeros on
 * </pre>
 *
 * <p>The preset has no functions of the user's own, so nodes of libtorch's are made to lead from other tensors than
 * those they came with: from the output, which stays the memory that kernels wrote, and from the loss. Where an
 * objective has both, the graph itself makes sum run before pass. Where it has the loss alone, the zeros are what pass
 * runs on; else they go to a second input of pass, which ignores it: libtorch would add them to the output's gradient.
 *
 * <p>A hook learns from libtorch which node runs, and finds the forward by the address of the node. One pair of hooks
 * serves all, as JavaCPP has room for few callbacks.
 */
final class StraightThrough implements AutoCloseable {
    /** The inputs of pass. */
    private static final int OUTPUT = 0;

    private static final int IGNORED = 1;

    private static final Map<Long, StraightThrough> WAITING = new ConcurrentHashMap<>();
    private static final TensorTensorHook LOSS_HOOK = new Hook(StraightThrough::lossGradient);
    private static final TensorTensorHook OUTPUT_HOOK = new Hook(StraightThrough::outputGradient);

    private final Layer layer;
    private final List<SharedParameter> parameters;
    private final Tensor z;
    private final long[] versions;
    private final Tensor zero;
    private final long out;
    private final long pass;
    private final long sum;

    /** What the loss has contributed, and to which backward. */
    private double alpha;

    private boolean lossAlone;
    private int lossTask = -1;

    /** Kept after backward until {@link #close}: libtorch takes its own reference only once the hook has returned. */
    private @Nullable Tensor gradInput;

    /** The backward of a layer. */
    interface Layer {
        /** Writes the gradient of z for its last forward; a null gradient of the output counts as zero. */
        void backward(io.github.vq4j.@Nullable Tensor gradOutput, double alpha, io.github.vq4j.Tensor gradInput);
    }

    private interface Method {
        TensorBase apply(StraightThrough forward, TensorBase gradient, Node node);
    }

    /** Calls a method of the forward whose node runs. Reachable for ever: libtorch holds no reference. */
    private static final class Hook extends TensorTensorHook {
        private final transient Method method;

        Hook(Method method) {
            this.method = method;
            // A scope of the caller's must not end it.
            retainReference();
        }

        @Override
        @SuppressWarnings("try") // A guard is there to be closed.
        public TensorBase call(TensorBase gradient) {
            try (Node node = torch.get_current_node();
                    NoGradGuard noGradient = new NoGradGuard()) {
                StraightThrough forward = WAITING.get(node.address());
                if (forward == null) {
                    throw new IllegalStateException(
                            "no forward waits for this backward: each backward needs a forward of"
                                    + " its own, and the module's next forward replaces it");
                }
                TensorBase result = method.apply(forward, gradient, node);
                if (result != gradient) {
                    gradient.close();
                }
                return result;
            }
        }
    }

    /**
     * Puts output and loss into the graph.
     *
     * @param input z, contiguous
     */
    StraightThrough(Layer layer, List<SharedParameter> parameters, Tensor input, QuantizedTensors result) {
        this.layer = layer;
        this.parameters = parameters;
        z = input.detach().retainReference();
        zero = torch.zeros_like(result.loss()).retainReference();
        versions = versions();
        try (Tensor source = input.requires_grad()
                        ? new Tensor(input)
                        : input.detach().requires_grad_();
                Tensor passed = source.alias();
                Tensor put = passed.alias();
                Tensor summed = sumOfShape(SharedMemory.shape(input));
                Node passNode = passed.grad_fn();
                Node outNode = put.grad_fn();
                Node sumNode = summed.grad_fn();
                Edge toPass = new Edge(passNode, OUTPUT)) {
            passed.register_hook(OUTPUT_HOOK);
            passNode.add_input_metadata(passed);
            lead(result.output(), outNode);
            sumNode.set_next_edge(0, toPass);
            lead(result.loss(), sumNode);
            result.loss().register_hook(LOSS_HOOK);
            out = outNode.address();
            pass = passNode.address();
            sum = sumNode.address();
        }
        WAITING.put(pass, this);
        WAITING.put(sum, this);
    }

    /** Stops waiting for backward and gives all handles back. */
    @Override
    public void close() {
        stopWaiting();
        if (gradInput != null) {
            gradInput.close();
        }
    }

    private void stopWaiting() {
        // An address may belong to a later forward's node by now.
        WAITING.remove(pass, this);
        WAITING.remove(sum, this);
        z.close();
        zero.close();
    }

    /** Makes a node the beginning of another tensor's way back. */
    private static void lead(Tensor tensor, Node node) {
        node.clear_input_metadata();
        torch.create_gradient_edge(tensor, node);
    }

    /** A scalar whose node makes a gradient of a shape from that of the scalar, without memory. */
    private static Tensor sumOfShape(long[] shape) {
        try (TensorOptions floats = new TensorOptions(ScalarType.Float);
                org.bytedeco.pytorch.Device meta = new org.bytedeco.pytorch.Device("meta");
                DeviceOptional device = new DeviceOptional(meta);
                TensorOptions options = floats.device(device);
                MemoryFormatOptional anyFormat = new MemoryFormatOptional();
                Tensor shapeAlone = torch.empty(shape, options, anyFormat).requires_grad_()) {
            return shapeAlone.sum();
        }
    }

    private TensorBase lossGradient(TensorBase gradient, Node node) {
        if (!gradient.defined()) {
            return gradient;
        }
        try (Tensor tensor = new Tensor(gradient)) {
            alpha = tensor.item_float();
        }
        lossAlone = !isInGraph(out);
        lossTask = torch.get_current_graph_task_id();
        node.next_edge(0).input_nr(lossAlone ? OUTPUT : IGNORED);
        return zero;
    }

    private TensorBase outputGradient(TensorBase gradient, Node node) {
        if (lossTask != torch.get_current_graph_task_id()) {
            // This objective is without the loss; one before, with it, has failed.
            alpha = 0;
            lossAlone = false;
        }
        if (!gradient.defined()) {
            if (alpha != 0) {
                throw new IllegalStateException("the objective leads to the output without a gradient for it; need one,"
                        + " zeros for example, beside the loss");
            }
            return gradient;
        }
        checkUnchanged();
        gradInput = torch.empty_like(z).retainReference();
        try (Tensor tensor = new Tensor(gradient);
                Tensor gradOutput = lossAlone ? new Tensor() : tensor.contiguous()) {
            layer.backward(lossAlone ? null : SharedMemory.floats(gradOutput), alpha, SharedMemory.floats(gradInput));
        }
        parameters.forEach(SharedParameter::accumulateGradient);
        stopWaiting();
        return gradInput;
    }

    /** Whether the backward that runs will come to a node. */
    private static boolean isInGraph(long node) {
        try (NodeSet nodes = new NodeSet()) {
            nodes.put(torch.get_current_graph_task_nodes_in_graph());
            long before = nodes.size();
            nodes.insert(new Node(new SharedMemory.Address(node)));
            return nodes.size() == before;
        }
    }

    private void checkUnchanged() {
        long[] now = versions();
        for (int i = 0; i < now.length; i++) {
            if (now[i] != versions[i]) {
                String what =
                        i == 0 ? "z" : "parameter " + parameters.get(i - 1).name();
                throw new IllegalStateException(what + " was changed in place between forward and backward");
            }
        }
    }

    /** How often libtorch has changed z and the parameters. */
    private long[] versions() {
        long[] versions = new long[1 + parameters.size()];
        versions[0] = z._version();
        for (int i = 0; i < parameters.size(); i++) {
            versions[1 + i] = parameters.get(i).version();
        }
        return versions;
    }
}
