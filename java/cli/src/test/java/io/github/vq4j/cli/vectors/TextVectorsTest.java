package io.github.vq4j.cli.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What of a text is numbers, what is labels and names of columns, and what is an error. */
class TextVectorsTest {
    private static final float[] FOUR = {1, 2, 3, 4};

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1,2\n3,4\n",
                "1, 2\n3 , 4",
                "1;2\n3; 4\n",
                "1\t2\n3\t4\n",
                "1 2\n3  4 \n",
                " 1 2\r\n\n 3 4\r\n \n",
                "\n1,+2.\n.3e1,40E-1\n"
            })
    void numbersBetweenSeparators(String text) throws IOException {
        assertReads(text, 2, FOUR);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x,y\n1,2\n3,4\n",
                "word\tx\ty\nthe\t1\t2\nof\t3\t4",
                "the words\nthe,1,2\nof,3,4",
                "\nx\n1 2\n3 4",
                "not,inside\n1,2\n3,4"
            })
    void aFirstLineWithoutNumbersIsNamesOfColumns(String text) throws IOException {
        assertReads(text, 2, FOUR);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2 2\nthe 1 2 \nof 3 4 \n",
                "400000 2\n2005 1 2\nof 3 4\n",
                "2 2\n, 1 2\n10,000 3 4\n",
                "2\t2\nthe\t1\t2\nof\t3\t4\n"
            })
    void aFirstLineOfWord2vecIsNoVectorAndWordsFollow(String text) throws IOException {
        assertReads(text, 2, FOUR);
    }

    @Test
    void word2vecOfOneFeatureIsToldByItsFirstWord() throws IOException {
        assertReads("2 1\nthe 3\nof 4\n", 1, new float[] {3, 4});
        assertReads("2 1\n3 4\n", 2, new float[] {2, 1, 3, 4});
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "the 1 2\nof 3 4\n",
                "the 1 2\n2005 3 4\n",
                "the 1 2\n10,000 3 4\n",
                ", 1 2\n; 3 4\n",
                "10,000 1 2\nthe 3 4",
                "the 1 2\nnan 3 4\n",
                "New York,1,2\n,3,4",
                "Málaga,1,2\nМосква,3,4"
            })
    void aFirstColumnThatBeginsWithAWordIsLabels(String text) throws IOException {
        assertReads(text, 2, FOUR);
    }

    @ParameterizedTest
    @ValueSource(strings = {",f0,f1\n0,1,2\n1,3,4\n", "\tf0\tf1\n0\t1\t2\n1\t3\t4\n", ";f0;f1\n7;1;2\n8;3;4\n"})
    void aFirstColumnWithoutANameIsLabels(String text) throws IOException {
        assertReads(text, 2, FOUR);
    }

    @Test
    void aColumnWithANameIsAFeature() throws IOException {
        assertReads("id,f0\n1,2\n3,4\n", 2, FOUR);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1,2\n3,4\n", "x,y\n1,2\n3,4\n", ",x,y\n0,1,2\n1,3,4\n"})
    void aByteOrderMarkInFrontIsPassedOver(String text) throws IOException {
        assertReads("\uFEFF" + text, 2, FOUR);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nan",
                "NaN",
                "-nan",
                "inf",
                "-Infinity",
                "NA",
                "null",
                "1e39",
                "4f",
                "2d",
                "0x1p3",
                "six",
                "1 000",
                "\"1\""
            })
    void whatIsNoFiniteNumberIsAnError(String field) throws IOException {
        assertFails("need a finite number, got \"" + field + "\" in field 2 of line 3", "1,2\n3,4\n5," + field + "\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.5,nan,3.5", "1,,3", "1,2,", "1,2,NA"})
    void aFirstRowIsNotTakenForNames(String row) throws IOException {
        assertFails(
                "of line 1; a first line is names of columns if no field in it is a number", row + "\n4,5,6\n7,8,9\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"nan,2,3", ",2,3", "NA,2,3", ",0,1", "nan,nan,nan", ",,", "x,,y"})
    void whatIsMissingInAFirstRowIsNoLabel(String row) throws IOException {
        assertFails("in field ", row + "\n4,5,6\n7,8,9\n");
        assertFails("of line 1;", row + "\n4,5,6\n7,8,9\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"3,,4", "3,4,", ",3,4"})
    void anEmptyFieldIsAnError(String row) throws IOException {
        assertFails("need a finite number, got \"\" in field", "1,2,3\n" + row + "\n");
    }

    @Test
    void anEmptyFieldBetweenTabsIsAnError() throws IOException {
        assertFails("got \"\" in field 2 of line 2", "1\t2\t3\n4\t\t6\n");
    }

    @Test
    void linesOfAnotherLengthAreAnError() throws IOException {
        assertFails("need 2 numbers in every line, got 1 fields in line 2", "1,2\n3\n");
        assertFails("need a label and 3 numbers in every line, got 3 fields in line 2", "the 1 2 3\n4 5 6\n");
        assertFails("need a finite number, got \"2;3\" in field 2 of line 2", "1,2\n1,2;3\n");
    }

    @Test
    void textWithoutNumbersIsAnError() throws IOException {
        assertFails("need at least one line of numbers, got none", "x,y\n");
        assertFails("need at least one line of numbers, got none", "\n");
        assertFails("need a finite number, got \"some\" in field 1 of line 2", "words\nsome\n");
    }

    @Test
    void whatIsNotUtf8IsAnErrorOfItsLine() throws IOException {
        String text = "the 1 2\n" + "of 3 4\n".repeat(5000) + "Málaga 5 6\n";
        assertFails("need text in UTF-8, got other bytes in line 5002", text, StandardCharsets.ISO_8859_1);
        assertFails("need text in UTF-8, got other bytes in line 1", "1,2\n", StandardCharsets.UTF_16);
    }

    private void assertReads(String text, int features, float[] expected) throws IOException {
        Path path = Files.writeString(folder.resolve("a.csv"), text);
        try (VectorReader reader = VectorReader.open(path, null)) {
            assertEquals(features, reader.features());
            float[] values = new float[Math.toIntExact(reader.rows() * features)];
            assertEquals(reader.rows(), reader.read(values));
            assertArrayEquals(expected, values);
            assertEquals(0, reader.read(values));
        }
    }

    private void assertFails(String message, String text) throws IOException {
        assertFails(message, text, StandardCharsets.UTF_8);
    }

    private void assertFails(String message, String text, Charset charset) throws IOException {
        Path path = Files.writeString(folder.resolve("a.csv"), text, charset);
        IOException failure = assertThrows(IOException.class, () -> {
            try (VectorReader reader = VectorReader.open(path, null)) {
                float[] values = new float[Math.toIntExact(reader.rows() * reader.features())];
                reader.read(values);
            }
        });
        assertTrue(failure.getMessage().startsWith(path + ": "), failure.getMessage());
        assertTrue(failure.getMessage().contains(message), failure.getMessage());
    }
}
