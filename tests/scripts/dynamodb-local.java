import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;

/**
 * Starts DynamoDB Local in memory on 127.0.0.1, and ends it when standard input ends.
 *
 * <p>By itself it listens on every address. Its web server is Jetty, whose connectors can be told
 * otherwise before they start. Everything is looked up by name, so that this compiles without it.
 *
 * <p>The argument is a port, or 0 for a free one. Prints the URL when it can be used.
 */
final class Launcher {
    private static final String RUNNER = "software.amazon.dynamodb.services.local.main.ServerRunner";

    public static void main(String[] arguments) throws Exception {
        PrintStream caller = System.out;
        System.setOut(System.err);
        String[] options = {"-inMemory", "-disableTelemetry"};
        Method create = Class.forName(RUNNER).getMethod("createServerFromCommandLineArgs", String[].class);
        Object proxy = create.invoke(null, (Object) options);
        Field field = proxy.getClass().getDeclaredField("server");
        field.setAccessible(true);
        Object jetty = field.get(proxy);

        Object[] connectors = (Object[]) jetty.getClass().getMethod("getConnectors").invoke(jetty);
        if (connectors.length != 1) {
            throw new IllegalStateException("one connector was expected, not " + connectors.length);
        }
        Object connector = connectors[0];
        connector.getClass().getMethod("setHost", String.class).invoke(connector, "127.0.0.1");
        connector.getClass().getMethod("setPort", int.class).invoke(connector, Integer.parseInt(arguments[0]));
        proxy.getClass().getMethod("start").invoke(proxy);

        int port = (int) connector.getClass().getMethod("getLocalPort").invoke(connector);
        if (port <= 0) {
            throw new IllegalStateException("the port can't be listened on");
        }
        caller.println("http://127.0.0.1:" + port);
        while (System.in.read() >= 0) {
            // What is written here means nothing; only its end does.
        }
        System.exit(0);
    }
}
