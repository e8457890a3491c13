import vue from '@vitejs/plugin-vue'
import { defineConfig, loadEnv } from 'vite'

export default defineConfig(({ mode }) => {
  // Where `npm run dev` finds the dispatcher, or the mock.
  const api = loadEnv(mode, '.', 'YDT_').YDT_API ?? 'http://127.0.0.1:8470'
  return {
    plugins: [vue()],
    base: '/',
    define: {
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_I18N_FULL_INSTALL__: 'false',
      __VUE_I18N_LEGACY_API__: 'false',
      __INTLIFY_PROD_DEVTOOLS__: 'false',
    },
    build: {
      target: 'es2021',
      // The page runs under a policy that allows no inline script and no data: address.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: { input: ['index.html', 'api.html'] },
    },
    server: { proxy: { '/api': { target: api, changeOrigin: false } } },
    test: { include: ['test/**/*.test.ts'], environment: 'node' },
  }
})
