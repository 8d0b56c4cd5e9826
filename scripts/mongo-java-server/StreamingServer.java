import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;

/**
 * A server for tests that speaks the protocol of MongoDB, with change streams, and keeps everything in memory. Says its port once it listens, and ends
 * with its standard input. An argument is the port to listen on.
 */
public final class StreamingServer {
    public static void main(String[] arguments) throws Exception {
        MemoryBackend backend = new PatientBackend();
        backend.version(new AcceptedVersion());
        MongoServer server = new MongoServer(backend);
        server.enableOplog();
        server.bind("127.0.0.1", arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0);
        System.out.println("port " + server.getLocalAddress().getPort());
        while (System.in.read() >= 0) {
            // Nothing is said to it: this is how it notices that whoever started it is gone.
        }
        server.shutdownNow();
    }

    /** The library says 8 at most, which is MongoDB 4.2; drivers begin at 9. What they ask for is the same. */
    private static final class AcceptedVersion implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }

    private static final class PatientBackend extends MemoryBackend {
        /** One after the other, and what is answered is a copy: the library sends documents that others may be changing, and then drops the connection. */
        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            return answer == null ? null : answer.cloneDeeply();
        }

        /** Who asks a change stream for more waits for it, as with MongoDB; the library answers at once that there is nothing. */
        @Override
        protected synchronized Document handleGetMore(String database, String command, Document query) {
            long patience = query.get("maxTimeMS") instanceof Number most ? most.longValue() : 0;
            long end = System.nanoTime() + patience * 1_000_000;
            for (;;) {
                Document answer = super.handleGetMore(database, command, query);
                Document cursor = (Document) answer.get("cursor");
                if (!((List<?>) cursor.get("nextBatch")).isEmpty() || System.nanoTime() >= end) {
                    return answer;
                }
                try {
                    // Others are answered meanwhile.
                    wait(2);
                } catch (InterruptedException ended) {
                    return answer;
                }
            }
        }
    }
}
