import io.github.vq4j.VectorQuant;
import io.github.vq4j.torch.QuantizedTensors;
import io.github.vq4j.torch.VectorQuantModule;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Trains ten steps, as a stranger's program would. */
public class App extends Module {
    private final LinearImpl encoder = register_module("encoder", new LinearImpl(32, 8));
    private final VectorQuantModule quantizer = register_module(
            "quantizer",
            new VectorQuantModule(
                    VectorQuant.builder(8, 64).dim(-1).kmeansInit(true).build()));
    private final LinearImpl decoder = register_module("decoder", new LinearImpl(8, 32));

    /** Fails unless the objective falls. */
    public static void main(String[] arguments) {
        torch.manual_seed(1);
        App model = new App();
        Tensor data = torch.randn(256, 32);
        AdamW optimizer = new AdamW(model.parameters(), new AdamWOptions(1e-2));
        double first = 0;
        double last = 0;
        for (int step = 0; step < 10; step++) {
            try (PointerScope scope = new PointerScope()) {
                QuantizedTensors q = model.quantizer.forward(model.encoder.forward(data));
                Tensor objective = torch.mse_loss(model.decoder.forward(q.output()), data).add(q.loss());
                optimizer.zero_grad();
                objective.backward();
                optimizer.step();
                last = objective.item_double();
                first = step == 0 ? last : first;
            }
        }
        System.out.println("objective " + first + ", after ten steps " + last);
        model.quantizer.close();
        if (!(last < first)) {
            throw new IllegalStateException("the objective went from " + first + " to " + last);
        }
    }
}
