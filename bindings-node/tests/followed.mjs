import { ConfigWebSocketClient } from "confmesh/client";

const client = new ConfigWebSocketClient('ws://localhost:8765');

// Set up event handlers
client.on('config_changed', (event) => {
    console.log(`Configuration changed: ${event.key} = ${event.newValue}`);
    
    // Handle specific configuration changes
    if (event.key.startsWith('app.database.')) {
        console.log('Database configuration changed, considering reconnection...');
    } else if (event.key.startsWith('app.features.')) {
        console.log('Feature flag changed, updating UI...');
        updateFeatureFlags();
    }
});

// Connect and subscribe
await client.connect();
client.subscribe([
    'app.database.*',
    'app.features.*',
    'app.ui.*'
]);
