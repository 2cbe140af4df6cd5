// Runs a model that `earmark export` wrote, with the package com.microsoft.onnxruntime:onnxruntime.
//
//     java -cp onnxruntime.jar Predict.java model.onnx a.wav
//
// It takes WAV files of 16 bits at the rate of the model, and prints the calibrated probabilities.
// How they become a label is in the page "Run an exported model anywhere".

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Map;
import javax.sound.sampled.AudioFormat;
import javax.sound.sampled.AudioInputStream;
import javax.sound.sampled.AudioSystem;

public class Predict {
    public static void main(String[] arguments) throws Exception {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OrtSession session = environment.createSession(arguments[0])) {
            Map<String, String> facts = session.getMetadata().getCustomMetadata();
            float[] samples = read(new File(arguments[1]), Integer.parseInt(facts.get("sample_rate")));
            try (OnnxTensor waveform = OnnxTensor.createTensor(environment, new float[][] {samples});
                    OrtSession.Result found = session.run(Map.of("waveform", waveform))) {
                float[][] rows = (float[][]) found.get("probabilities").orElseThrow().getValue();
                System.out.println(facts.get("labels") + " " + Arrays.toString(rows[0]));
            }
        }
    }

    /** Mono samples in [-1, 1]. */
    static float[] read(File file, int rate) throws Exception {
        try (AudioInputStream sound = AudioSystem.getAudioInputStream(file)) {
            AudioFormat format = sound.getFormat();
            if (format.getSampleRate() != rate || format.getSampleSizeInBits() != 16) {
                throw new IllegalArgumentException(
                        file + ": " + format + "; convert it to 16 bits at " + rate + " Hz");
            }
            ByteBuffer bytes = ByteBuffer.wrap(sound.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
            int channels = format.getChannels();
            float[] samples = new float[bytes.capacity() / 2 / channels];
            for (int index = 0; index < samples.length; index++) {
                float sum = 0;
                for (int one = 0; one < channels; one++) {
                    sum += bytes.getShort() / 32768f;
                }
                samples[index] = sum / channels;
            }
            return samples;
        }
    }
}
